"""`/lifecycle`: in which state an agent is, and how it came there."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.model.lifecycle import State
from gateway.store.agents import Agents
from gateway.store.quarantine import Quarantine


class ShownMove(BaseModel):
    state: State
    at: Timestamp
    cause: str
    by: str


class ShownLife(BaseModel):
    """`history`: the latest moves, the newest last."""

    agent_id: str
    state: State
    since: Timestamp
    history: list[ShownMove]


def router(quarantine: Quarantine, agents: Agents) -> APIRouter:
    """Of agents that were moved it answers without Redis too."""
    routes = APIRouter(tags=["lifecycle"])

    @routes.get("/lifecycle/{agent_id}", response_model=ShownLife, dependencies=[needs("viewer")], responses={404: {}})
    async def get_lifecycle(agent_id: AgentId) -> dict[str, Any]:
        life = quarantine.of(agent_id)
        since = (await known(agents, agent_id)).first_seen if life is None else life.since
        history = life.history if life is not None else ()
        return {
            "agent_id": agent_id,
            "state": quarantine.state(agent_id),
            "since": rfc3339(since),
            "history": [
                {"state": move.state, "at": rfc3339(move.at), "cause": move.cause, "by": move.by} for move in history
            ],
        }

    return routes
