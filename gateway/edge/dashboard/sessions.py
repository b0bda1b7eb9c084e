"""What a browser holds after somebody signed in: whose key it was and until when, sealed. Never the key itself.

A session has two halves. The cookie holds it; scripts cannot read it, but browsers send it to every port of the host
(RFC 6265 section 8.5), so also to a server that an agent runs there. The page token stays with the page: what a page
keeps, no page of another port can read. Neither is worth anything without the other.
"""

import hmac
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from gateway.identity.derived import keyed, subkey
from gateway.store.errors import StoreUnavailable

COOKIE = "leuko_session"
PAGE_HEADER = "x-leuko-page"
"""Where the page sends its token. A page of another origin cannot send it without being asked about first."""
PAGE_QUERY = "page"
"""The same where a browser sends no header of the page's: events and downloads, which only read."""
LONGEST_SECONDS = 12 * 3600.0

_SEAL = 32  # bytes
_LONGEST_VALUE = 500
_BOUND = 8  # bytes of the keyed hash of what a session is bound to
_TOKEN = 18  # bytes


@dataclass(frozen=True, slots=True)
class Session:
    """Times in seconds since the epoch. `bound`: keyed hash of what has to stay for the session to go on."""

    key_id: str
    id: str
    generation: str
    began: float
    ends: float
    bound: str


class Ended(Protocol):
    """Sessions that ended before their time (`store.ended_sessions`). Everything raises StoreUnavailable."""

    async def generation(self, key_id: str) -> str: ...

    async def has(self, key_id: str, session_id: str, generation: str) -> bool: ...

    async def end(self, session_id: str) -> None: ...

    async def end_all(self, key_id: str, generation: str) -> None: ...


class Sessions:
    """Seals and opens sessions; any replica takes what another one sealed, and none takes one that was ended.

    Args:
        root: the deployment's root secret.
        clock: seconds since the epoch.
        new_id: unpredictable, of a few plain characters.
        seconds: that a session goes on after it was sealed; each use of the page seals it anew.
        longest: seconds after which somebody has to sign in again in any case.
    """

    def __init__(
        self,
        root: bytes,
        ended: Ended,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        seconds: float = 3600.0,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self._key = subkey(root, "leuko dashboard session")
        self._ended = ended
        self.clock = clock
        self._new_id = new_id
        self._seconds = seconds
        self._longest = longest

    async def begin(self, key_id: str, bound_to: bytes) -> Session:
        """A new one, bound to something secret (empty: to nothing)."""
        try:
            generation = await self._ended.generation(key_id)
        except StoreUnavailable:
            generation = ""  # there may be another one: then the session is over once Redis is back
        now = math.floor(self.clock())
        return Session(key_id, self._new_id(), generation, now, now + self._seconds, self._bound(bound_to))

    def renewed(self, session: Session) -> Session:
        """The same, from now on."""
        return replace(session, ends=min(math.floor(self.clock()) + self._seconds, session.began + self._longest))

    async def is_over(self, session: Session) -> bool:
        """Whether its time is over, or somebody ended it. Raises StoreUnavailable: that cannot be said."""
        return self.clock() >= session.ends or await self._ended.has(session.key_id, session.id, session.generation)

    async def end(self, session: Session) -> None:
        """From now on it is over, on every replica. Raises StoreUnavailable."""
        await self._ended.end(session.id)

    async def end_all(self, key_id: str) -> None:
        """The same for all that began with a key until now."""
        await self._ended.end_all(key_id, self._new_id())

    def page_token(self, session: Session) -> str:
        """The half that stays with the page."""
        return urlsafe_b64encode(keyed(self._key, b"page token " + session.id.encode())[:_TOKEN]).decode("ascii")

    def is_page_token(self, session: Session, shown: str) -> bool:
        return hmac.compare_digest(self.page_token(session).encode(), shown.encode())

    def seal(self, session: Session) -> str:
        """The value of the cookie."""
        parts = [session.key_id, session.id, session.generation, session.began, session.ends, session.bound]
        body = orjson.dumps(parts)
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
        try:
            session = Session(*orjson.loads(body))
        except TypeError:  # sealed by a version that put other things into it
            return None
        return session if session.began <= self.clock() + 60 and self.clock() < session.ends else None

    def is_bound(self, session: Session, to: bytes) -> bool:
        """Whether it began with this."""
        return hmac.compare_digest(session.bound, self._bound(to))

    def _bound(self, to: bytes) -> str:
        return keyed(self._key, b"bound " + to)[:_BOUND].hex()
