"""What a browser holds after somebody signed in: whose key it was and until when, sealed. Never the key itself."""

import hmac
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from gateway.identity.derived import keyed, subkey

COOKIE = "leuko_session"
PAGE_HEADER = "x-leuko-page"
"""What a change by session must carry: only a script of the same origin can send it without being asked about first."""

_SEAL = 32  # bytes
_LONGEST_VALUE = 500
_BOUND = 8  # bytes of the keyed hash of what a session is bound to


@dataclass(frozen=True, slots=True)
class Session:
    """Times in seconds since the epoch. `bound`: keyed hash of what has to stay for the session to go on."""

    key_id: str
    began: float
    ends: float
    bound: str


class Sessions:
    """Seals and opens sessions; nothing is kept here, so any replica takes what another one sealed.

    Args:
        root: the deployment's root secret.
        clock: seconds since the epoch.
        seconds: that a session goes on after it was sealed; each use of the page seals it anew.
        longest: seconds after which somebody has to sign in again in any case.
    """

    def __init__(
        self, root: bytes, *, clock: Callable[[], float], seconds: float = 3600.0, longest: float = 12 * 3600.0
    ) -> None:
        self._key = subkey(root, "leuko dashboard session")
        self.clock = clock
        self._seconds = seconds
        self._longest = longest

    def begin(self, key_id: str, bound_to: bytes) -> Session:
        """A new one, bound to something secret (empty: to nothing)."""
        now = math.floor(self.clock())
        return Session(key_id, now, now + self._seconds, self._bound(bound_to))

    def renewed(self, session: Session) -> Session:
        """The same, from now on."""
        ends = min(math.floor(self.clock()) + self._seconds, session.began + self._longest)
        return Session(session.key_id, session.began, ends, session.bound)

    def seal(self, session: Session) -> str:
        """The value of the cookie."""
        body = orjson.dumps([session.key_id, session.began, session.ends, session.bound])
        return urlsafe_b64encode(keyed(self._key, body) + body).decode("ascii").rstrip("=")

    def open(self, value: str) -> Session | None:
        """None for what was not sealed here, or is over."""
        if len(value) > _LONGEST_VALUE:
            return None
        try:
            raw = urlsafe_b64decode(value.encode("ascii") + b"=" * (-len(value) % 4))
        except ValueError:
            return None
        seal, body = raw[:_SEAL], raw[_SEAL:]
        if not hmac.compare_digest(seal, keyed(self._key, body)):
            return None
        session = Session(*orjson.loads(body))
        return session if session.began <= self.clock() + 60 and self.clock() < session.ends else None

    def holds(self, session: Session, bound_to: bytes) -> bool:
        """Whether it is bound to this."""
        return hmac.compare_digest(session.bound, self._bound(bound_to))

    def _bound(self, to: bytes) -> str:
        return keyed(self._key, b"bound " + to)[:_BOUND].hex()
