"""One webhook: where it is and what it wants to be told."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal, get_args

WebhookEvent = Literal[
    "approval.requested",
    "approval.approved",
    "approval.rejected",
    "incident.opened",
    "incident.closed",
    "agent.quarantined",
    "agent.released",
    "agent.exhausted",
    "immune.alert",
]
EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)


@dataclass(frozen=True, slots=True)
class Webhook:
    """`secret` as it is given to the receiver: `whsec_` and base64. `url` may hold a token: it is not logged."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    events: tuple[WebhookEvent, ...] = EVENTS[:1]

    @property
    def endpoint(self) -> str:
        """What names its queue; the same on every replica, and after a change of the secret."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]
