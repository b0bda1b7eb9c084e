"""`/signing-keys`: the keys that sign intent and call tokens. The audit record has a key of its own."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.intents.keyring import KeyRing
from gateway.store.control import ChangeConflict
from gateway.store.key_ring import SharedKeyRing, TooManyRetired


class ShownSigningKey(BaseModel):
    """`state`: current (signs), next (will), or retired, which verifies until `until`."""

    kid: str
    state: str
    until: Timestamp | None


class SigningKeyList(BaseModel):
    items: list[ShownSigningKey]
    next_cursor: str | None = None


def router(keys: SharedKeyRing) -> APIRouter:
    routes = APIRouter(tags=["signing keys"])

    @routes.post(
        "/signing-keys/rotate",
        response_model=SigningKeyList,
        dependencies=[needs("admin")],
        responses={409: {}},
    )
    async def rotate_signing_keys() -> dict[str, Any]:
        """The next key signs from now on, on every replica. The one before verifies what it has signed, to the end."""
        try:
            return _shown(await keys.rotate())
        except TooManyRetired as error:
            raise Problem(409, f"Nothing was changed: {error}.") from None
        except ChangeConflict:
            raise Problem(409, "Nothing was changed: another rotation was under way.") from None

    return routes


def _shown(ring: KeyRing) -> dict[str, Any]:
    items = [
        {"kid": key.kid, "state": key.state, "until": None if key.until is None else rfc3339(key.until)}
        for key in ring.keys
    ]
    return {"items": items, "next_cursor": None}
