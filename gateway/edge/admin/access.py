"""Who may use the admin API, and for what: viewer < operator < admin."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from fastapi import Depends
from starlette.requests import Request

from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.problems import Problem
from gateway.edge.dashboard.sessions import COOKIE, PAGE_HEADER, PAGE_QUERY, Session, Sessions
from gateway.identity.address import Network, caller_address
from gateway.store.errors import StoreUnavailable

Role = Literal["viewer", "operator", "admin"]
ROOT = "root"
_RANK: dict[str, int] = {"viewer": 0, "operator": 1, "admin": 2}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PLAIN = frozenset({"/api/gateway/docs", "/api/gateway/openapi.json"})
"""What a browser may be sent to by hand: the same everywhere, and nothing of this deployment."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `key_id` is `root` for the key of the settings, `digest` says which one that was; `session` where a
    browser's cookie says so."""

    key_id: str
    role: Role
    session: Session | None = None
    digest: bytes = field(default=b"", repr=False)

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]


class KnownKey(Protocol):
    """What is known of an admin key."""

    @property
    def key_id(self) -> str: ...

    @property
    def role(self) -> str: ...


class KnownKeys(Protocol):
    """The admin keys beside the one of the settings (`store.admin_keys`). Both raise StoreUnavailable."""

    async def find(self, shown: str) -> KnownKey | None: ...

    async def get(self, key_id: str) -> KnownKey | None: ...


class AdminAccess:
    """Sets `request.state.principal`, from `X-Admin-Key` or a bearer token, else from the page's session.

    Raises Problem 401 without a key that is known, 429 for a wrong one from where many wrong ones came.

    Args:
        keys: None: there is the key of the settings only.
        trusted_proxies: whose `X-Forwarded-For` says where a key came from.
        sessions: None: there is no page to sign in at.
        refused: told of a source's wrong keys beyond the free ones: (address, path, how many beyond).
    """

    def __init__(
        self,
        admin_key: str,
        keys: KnownKeys | None = None,
        backoff: Backoff | None = None,
        refused: Callable[[str, str, int], None] = lambda address, path, beyond: None,
        *,
        trusted_proxies: Sequence[Network] = (),
        sessions: Sessions | None = None,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._backoff = backoff
        self._refused = refused
        self._trusted_proxies = trusted_proxies
        self.use(admin_key)

    def use(self, admin_key: str) -> None:
        """From now on this is the key of the settings."""
        self._digest = hashlib.sha256(admin_key.encode()).digest()

    async def __call__(self, request: Request) -> None:
        shown = shown_key(request, "x-admin-key")
        found = await self._principal(shown) if shown else await self._of_session(request)
        if found is None:
            raise self._refusal(request, shown)
        request.state.principal = found

    async def still(self, known: Principal) -> bool:
        """Whether who was let in would be so now, for answers that go on and on. Raises StoreUnavailable."""
        if known.session is not None:
            over = self._sessions is None or self._sessions.clock() >= known.session.ends
            return not over and await self._holder(known.session, changes=False) is not None
        if known.key_id == ROOT:
            return hmac.compare_digest(known.digest, self._digest)
        return self._keys is None or await self._keys.get(known.key_id) is not None

    async def session_of(self, who: Principal) -> Session:
        """A new session for who showed a key; that of the settings ends with it. Raises Problem 409 without a page."""
        if self._sessions is None:
            raise Problem(409, "There is no page to sign in at.")
        return await self._sessions.begin(who.key_id, who.digest)

    async def _of_session(self, request: Request) -> Principal | None:
        sessions = self._sessions
        session = sessions.open(request.cookies.get(COOKIE, "")) if sessions is not None else None
        if sessions is None or session is None:
            return None
        changes = request.method not in _SAFE
        token = request.headers.get(PAGE_HEADER)
        if token is None and not changes:
            token = request.query_params.get(PAGE_QUERY)
        if not sessions.is_page_token(session, token or "") and (changes or request.scope["path"] not in _PLAIN):
            raise Problem(401, f"A session needs what the page was told at sign-in, in the header `{PAGE_HEADER}`.")
        return await self._holder(session, changes=changes)

    async def _holder(self, session: Session, *, changes: bool) -> Principal | None:
        """Whose session that is; None if its key or somebody ended it. One round trip.

        Raises StoreUnavailable. Without Redis the key of the settings can still look around, but change nothing.
        """
        assert self._sessions is not None
        if session.key_id == ROOT:
            if not self._sessions.is_bound(session, self._digest):
                return None
            try:
                over = await self._sessions.is_over(session)
            except StoreUnavailable:
                if changes:
                    raise
                over = False
            return None if over else Principal(ROOT, "admin", session)
        if self._keys is None:
            return None
        known, over = await asyncio.gather(self._keys.get(session.key_id), self._sessions.is_over(session))
        if over or known is None or known.role not in _RANK:
            return None
        return Principal(known.key_id, known.role, session)  # type: ignore[arg-type]  # it is one of `_RANK`

    async def _principal(self, shown: str) -> Principal | None:
        # Digests have one length, so that the comparison says nothing about the key's.
        digest = hashlib.sha256(shown.encode()).digest()
        if hmac.compare_digest(digest, self._digest):
            return Principal(ROOT, "admin", digest=digest)
        known = None if self._keys is None else await self._keys.find(shown)
        if known is None or known.role not in _RANK:
            return None
        return Principal(known.key_id, known.role)  # type: ignore[arg-type]  # it is one of `_RANK`

    def _refusal(self, request: Request, shown: str) -> Problem:
        message = "Send an admin key as `X-Admin-Key` or as a bearer token."
        if not shown or self._backoff is None:
            return Problem(401, message)
        address = source_of(request, self._trusted_proxies)
        wait = self._backoff.wait(address)
        if wait:
            return Problem(429, "Too many wrong keys came from this address.", retry_after=wait)
        beyond = self._backoff.wrong(address)
        if beyond:
            self._refused(address, request.scope["path"], beyond)
        return Problem(401, message)


def needs(role: Role) -> Any:
    """For a route's `dependencies`: only principals of this role or a higher one pass, others get 403.

    A route that changes anything must have one.
    """

    def check(request: Request) -> None:
        if not principal(request).may(role):
            raise Problem(403, f"This takes the role {role}; the key shown has {principal(request).role}.")

    check.role = role  # type: ignore[attr-defined]  # for the documentation, and the test that every route has one
    dependency: Callable[[Request], None] = check
    return Depends(dependency)


def principal(request: Request) -> Principal:
    """Who sent a request that `AdminAccess` let in."""
    found = request.state.principal
    assert isinstance(found, Principal)
    return found


def source_of(request: Request, trusted_proxies: Sequence[Network]) -> str:
    """Where a request came from, behind proxies that are trusted."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).encode("latin-1") or None
    return caller_address(peer, forwarded, trusted_proxies)


def shown_key(request: Request, header: str) -> str:
    """The key in this header, else the bearer token; empty without either."""
    key = request.headers.get(header)
    if key is not None:
        return key
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
