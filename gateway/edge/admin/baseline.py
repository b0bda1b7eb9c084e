"""`/agents/{id}/baseline`: what is usual of an agent, and the word that what it does now is its new normal."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.requests import Request

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.agents import AgentId, known
from gateway.edge.admin.states import States
from gateway.immune.caps import caps
from gateway.immune.forms import Forms
from gateway.immune.record import Record
from gateway.immune.state import model_of
from gateway.immune.usual import usual
from gateway.store.agents import Agents
from gateway.store.watched_agents import WatchedAgents

WITHIN = 1.5
"""Seconds that an answer waits for whoever watches the agent."""


class ShownUsual(BaseModel):
    """One number of the agent with one model, in its own unit (`input_growth`: the ratio to the call before): two of
    three values lie between `low` and `high`. Null until enough calls are known. `deviation` is the latest value's.
    `voice`: 0 for the agent's first prompt, another number for each that is unlike the others, as of its helpers."""

    model: str
    voice: int
    metric: str
    calls: int
    warm: bool
    usual: float | None
    low: float | None
    high: float | None
    deviation: float


class ShownCaps(BaseModel):
    """What an answer of the model is cut at; null: nothing, until enough is known."""

    model: str
    output_tokens: int | None
    seconds: float | None
    tool_calls: int | None


class ShownForms(BaseModel):
    """The forms that are known, as keyed hashes or names, those used last at the end. `volatile`: there were so many
    at the beginning that a new one means nothing."""

    known: list[str]
    warm: bool
    volatile: bool


class ShownBaseline(BaseModel):
    """`warm`: enough calls are known to judge the others by; `throttled`: one request at a time goes through."""

    agent_id: str
    warm: bool
    calls: int
    conversations: int
    deviation: float | None
    throttled: bool
    metrics: list[ShownUsual]
    forms: dict[str, ShownForms]
    caps: list[ShownCaps]


class Accepted(BaseModel):
    """`accepted`: it holds. Else it is `pending`, and will be done when somebody watches the agent again."""

    agent_id: str
    accepted: bool
    pending: bool


class Feed(Protocol):
    """What takes orders for whoever watches an agent. Raises StoreUnavailable."""

    async def append(self, agent_id: str, order: dict[str, Any]) -> str: ...


Passed = Callable[[str, str, float], Awaitable[bool]]
"""Whether the order of that id about an agent was carried out within so many seconds."""


def router(
    agents: Agents,
    watched: WatchedAgents,
    states: States,
    feed: Feed,
    passed: Passed,
    *,
    notify: Callable[[str, dict[str, Any]], None],
) -> APIRouter:
    """Any worker answers for all. `notify` tells whoever watches the events."""
    routes = APIRouter(tags=["vitals"])

    @routes.get(
        "/agents/{agent_id}/baseline",
        response_model=ShownBaseline,
        dependencies=[needs("viewer")],
        responses={404: {}},
    )
    async def get_baseline(agent_id: AgentId) -> dict[str, Any]:
        """What the agent's exchanges are measured against."""
        await known(agents, agent_id)
        throttled = (await states.of([agent_id]))[agent_id].throttled
        return {**_shown(agent_id, await watched.record(agent_id)), "throttled": throttled}

    @routes.post(
        "/agents/{agent_id}/baseline/accept",
        response_model=Accepted,
        dependencies=[needs("operator")],
        responses={202: {"model": Accepted, "description": "It will be done"}, 404: {}},
    )
    async def accept_baseline(agent_id: AgentId, request: Request, response: Response) -> dict[str, Any]:
        """What the agent does from now on is learned as its normal; what it was before counts no more."""
        await known(agents, agent_id)
        by = principal(request).key_id
        order = await feed.append(agent_id, {"do": "accept", "by": by})
        done = await passed(agent_id, order, WITHIN)
        response.status_code = 200 if done else 202
        notify("baseline.accepted", {"agent_id": agent_id, "by": by})
        return {"agent_id": agent_id, "accepted": done, "pending": not done}

    return routes


def _shown(agent_id: str, record: Record | None) -> dict[str, Any]:
    if record is None:
        empty: dict[str, Any] = {"metrics": [], "forms": {}, "caps": [], "deviation": None}
        return {"agent_id": agent_id, "warm": False, "calls": 0, "conversations": 0, **empty}
    state = record.state
    limits = {model: caps(state, model) for model in map(model_of, state.models)}
    return {
        "agent_id": agent_id,
        "warm": state.warm,
        "calls": state.calls,
        "conversations": state.conversations,
        "deviation": round(state.deviation, 2),
        "metrics": [{name: getattr(one, name) for name in ShownUsual.model_fields} for one in usual(state)],
        "forms": {name: _forms(forms) for name, forms in state.forms.items()},
        "caps": [
            {"model": model, **{name: getattr(most, name) for name in ShownCaps.model_fields if name != "model"}}
            for model, most in limits.items()
        ],
    }


def _forms(forms: Forms) -> dict[str, Any]:
    return {"known": list(forms.known), "warm": forms.warm, "volatile": forms.volatile}
