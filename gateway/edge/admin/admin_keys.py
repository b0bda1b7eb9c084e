"""`/admin-keys`: keys of this API beside the one of the settings."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel

from gateway.edge.admin.access import ROOT, Role, needs
from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Body, Expiry, Text, Timestamp, expiry, rfc3339
from gateway.store.admin_keys import AdminKey, AdminKeys, TooManyKeys


class NewAdminKey(Body):
    role: Role
    name: Text | None = None
    expires_at: Expiry = None


class ShownAdminKey(BaseModel):
    key_id: str
    role: Role
    name: str | None
    created_at: Timestamp
    expires_at: Timestamp | None


class MadeAdminKey(ShownAdminKey):
    api_key: str


class AdminKeyList(BaseModel):
    items: list[ShownAdminKey]
    next_cursor: str | None = None


def router(keys: AdminKeys, *, clock: Callable[[], float]) -> APIRouter:
    """`clock` is in seconds since the epoch."""
    routes = APIRouter(tags=["admin keys"], dependencies=[needs("admin")])

    @routes.get("/admin-keys", response_model=AdminKeyList)
    async def list_admin_keys() -> dict[str, Any]:
        """Every key but the one of the settings, the oldest first; never the keys themselves."""
        return {"items": [_shown(key) for key in await keys.all()], "next_cursor": None}

    @routes.post("/admin-keys", status_code=201, response_model=MadeAdminKey, responses={409: {}})
    async def make_admin_key(body: NewAdminKey) -> dict[str, Any]:
        """A new key; this answer is the only one that shows it."""
        expires_at = expiry(body.expires_at, clock())
        try:
            made, shown = await keys.make(body.role, body.name, expires_at)
        except TooManyKeys as error:
            raise Problem(409, f"No key was made: {error}.") from None
        return {**_shown(made), "api_key": shown}

    @routes.delete("/admin-keys/{key_id}", status_code=204, responses={409: {}})
    async def delete_admin_key(key_id: Annotated[str, Path(max_length=200)]) -> None:
        """From now on the key opens nothing, on any worker; nothing happens if it did not before."""
        if key_id == ROOT:
            raise Problem(409, "The key of the settings is changed there, and read again at SIGHUP.")
        await keys.drop(key_id)

    return routes


def _shown(key: AdminKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "role": key.role,
        "name": key.name,
        "created_at": rfc3339(key.created_at),
        "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
    }
