"""`/lifecycle`: in which state an agent is, and how it came there."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.shapes import Timestamp, rfc3339
from gateway.edge.admin.states import States
from gateway.model.lifecycle import Life, State
from gateway.store.agents import Agents


class ShownMove(BaseModel):
    state: State
    at: Timestamp
    cause: str
    by: str


class ShownLife(BaseModel):
    """`history`: the latest moves, the newest last. `incident_id`: what it is suspected or blocked for."""

    agent_id: str
    state: State
    since: Timestamp
    incident_id: str | None
    history: list[ShownMove]


def router(agents: Agents, states: States) -> APIRouter:
    """Of agents that were moved it answers without Redis too."""
    routes = APIRouter(tags=["lifecycle"])

    @routes.get("/lifecycle/{agent_id}", response_model=ShownLife, dependencies=[needs("viewer")], responses={404: {}})
    async def get_lifecycle(agent_id: AgentId) -> dict[str, Any]:
        life = await states.life(agent_id)
        if life is None:
            life = Life(agent_id, since=(await known(agents, agent_id)).first_seen)
        return {
            "agent_id": agent_id,
            "state": life.state,
            "since": rfc3339(life.since),
            "incident_id": life.incident_id,
            "history": [
                {"state": move.state, "at": rfc3339(move.at), "cause": move.cause, "by": move.by}
                for move in life.history
            ],
        }

    return routes
