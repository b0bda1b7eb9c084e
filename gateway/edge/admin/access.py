"""Who may use the admin API: whoever shows the admin key."""

import hashlib
import hmac

from starlette.requests import Request

from gateway.edge.admin.problems import Problem


class AdminAccess:
    """A dependency that lets a request pass with the admin key in `X-Admin-Key` or as a bearer token."""

    def __init__(self, admin_key: str) -> None:
        self.use(admin_key)

    def use(self, admin_key: str) -> None:
        """From now on this is the key."""
        self._digest = hashlib.sha256(admin_key.encode()).digest()

    async def __call__(self, request: Request) -> None:
        # Digests have one length, so that the comparison says nothing about the key's.
        if not hmac.compare_digest(hashlib.sha256(_shown(request).encode()).digest(), self._digest):
            raise Problem(401, "Send the admin key as `X-Admin-Key` or as a bearer token.")


def _shown(request: Request) -> str:
    key = request.headers.get("x-admin-key")
    if key is not None:
        return key
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
