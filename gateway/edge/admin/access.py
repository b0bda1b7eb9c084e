"""Who may use the admin API, and for what: viewer < operator < admin."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Depends
from starlette.requests import Request

from gateway.edge.admin.problems import Problem

Role = Literal["viewer", "operator", "admin"]
_RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `key_id` is `root` for the key of the settings."""

    key_id: str
    role: Role

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]


class AdminAccess:
    """A dependency that sets `request.state.principal`, from `X-Admin-Key` or a bearer token; 401 without a key that is
    known."""

    def __init__(self, admin_key: str) -> None:
        self.use(admin_key)

    def use(self, admin_key: str) -> None:
        """From now on this is the key of the settings."""
        self._digest = hashlib.sha256(admin_key.encode()).digest()

    async def __call__(self, request: Request) -> None:
        # Digests have one length, so that the comparison says nothing about the key's.
        if not hmac.compare_digest(hashlib.sha256(_shown(request).encode()).digest(), self._digest):
            raise Problem(401, "Send the admin key as `X-Admin-Key` or as a bearer token.")
        request.state.principal = Principal("root", "admin")


def needs(role: Role) -> Any:
    """For a route's `dependencies`: only principals of this role or a higher one pass, others get 403."""

    def check(request: Request) -> None:
        if not principal(request).may(role):
            raise Problem(403, f"This takes the role {role}; the key shown has {principal(request).role}.")

    dependency: Callable[[Request], None] = check
    return Depends(dependency)


def principal(request: Request) -> Principal:
    """Who sent a request that `AdminAccess` let in."""
    found = request.state.principal
    assert isinstance(found, Principal)
    return found


def _shown(request: Request) -> str:
    key = request.headers.get("x-admin-key")
    if key is not None:
        return key
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
