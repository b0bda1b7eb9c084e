"""One webhook: where it is, what it wants to be told, and the signature of a message for it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

EVENTS = ("approval.requested", "approval.approved", "approval.rejected")
SECRET_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`secret` as it is given to the receiver: `whsec_` and base64. `url` may hold a token: it is not logged."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    events: tuple[str, ...] = EVENTS[:1]

    @property
    def endpoint(self) -> str:
        """What names its queue; the same on every replica, and after a change of the secret."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature` of one try; `timestamp` in seconds since the epoch. Raises ValueError for a secret
    that is none."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
