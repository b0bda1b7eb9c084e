"""`/agents/{id}/keys`: what proves who an agent is."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, Strict

from gateway.edge.admin.access import needs
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Expiry, Text, Timestamp, expiry, rfc3339
from gateway.store.agent_keys import AgentKey, TooManyKeys
from gateway.store.agents import Agents
from gateway.store.identities import Identities

_YEAR = 366 * 86_400


class NewAgentKey(Body):
    """`replaces` names an older key of the agent, which ends after `grace_seconds`."""

    expires_at: Expiry = None
    replaces: Text | None = None
    grace_seconds: Annotated[int, Strict(), Field(ge=0, le=_YEAR)] = 86_400


class ShownAgentKey(BaseModel):
    key_id: str
    agent_id: str
    created_at: Timestamp
    expires_at: Timestamp | None


class MadeAgentKey(ShownAgentKey):
    api_key: str


class AgentKeyList(BaseModel):
    items: list[ShownAgentKey]
    next_cursor: str | None = None


_KEY_ID = re.compile(r"agk_[0-9A-Za-z]{8}")


def router(agents: Agents, identities: Identities, *, clock: Callable[[], float]) -> APIRouter:
    """`clock` is in seconds since the epoch."""
    routes = APIRouter(tags=["agent keys"], dependencies=[needs("admin")])

    @routes.get("/agents/{agent_id}/keys", response_model=AgentKeyList, responses={404: {}})
    async def list_agent_keys(agent_id: AgentId) -> dict[str, Any]:
        """Those that have not expired, the oldest first; never the keys themselves."""
        await known(agents, agent_id)
        return {"items": [_shown(key) for key in await identities.keys.all(agent_id)], "next_cursor": None}

    @routes.post("/agents/{agent_id}/keys", status_code=201, response_model=MadeAgentKey, responses={404: {}, 409: {}})
    async def make_agent_key(agent_id: AgentId, body: NewAgentKey | None = None) -> dict[str, Any]:
        """A new key; this answer is the only one that shows it."""
        body, now = body or NewAgentKey(), clock()
        if not (await known(agents, agent_id)).verified:
            raise Problem(409, "This agent was found by how it calls; make an agent and give that one a key.")
        expires_at = expiry(body.expires_at, now)
        if body.replaces and body.replaces not in {key.key_id for key in await identities.keys.all(agent_id)}:
            raise invalid("body.replaces", "is no key of this agent")
        try:
            made, shown = await identities.keys.make(agent_id, expires_at)
        except TooManyKeys as error:
            raise Problem(409, f"No key was made: {error}.") from None
        if body.replaces:
            await identities.end_key(agent_id, body.replaces, now + body.grace_seconds if body.grace_seconds else None)
        return {**_shown(made), "api_key": shown}

    @routes.delete("/agents/{agent_id}/keys/{key_id}", status_code=204, responses={404: {}})
    async def revoke_agent_key(agent_id: AgentId, key_id: Annotated[str, Path(max_length=200)]) -> None:
        """Refused from now on, on every worker, and its open streams are cut; nothing happens if it was before."""
        if _KEY_ID.fullmatch(key_id) is None:  # somebody believes that a key of this name is revoked
            raise Problem(404, "This is no id of a key; an id is `agk_` and the 8 characters after it.")
        await known(agents, agent_id)
        await identities.end_key(agent_id, key_id)

    return routes


def _shown(key: AgentKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "agent_id": key.agent_id,
        "created_at": rfc3339(key.created_at),
        "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
    }
