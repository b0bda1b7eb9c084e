"""`/agents`: the agents ever seen or made, and what operators say about them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, StrictBool, StringConstraints

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339, usd
from gateway.edge.admin.states import Condition, States
from gateway.model.agent import Agent
from gateway.model.lifecycle import BLOCKED, State
from gateway.store.agents import AgentRecord, Agents
from gateway.store.identities import Identities
from gateway.store.registry import Attributes, NameTaken

AgentId = Annotated[str, Path(max_length=200)]
AgentIdText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Forget = Callable[[str], Awaitable[None]]
_MCP = "mcp:"
"""What the names of MCP servers start with among those of providers."""


class NewAgent(Body):
    name: Text
    owner_team: Text | None = None
    environment: Text | None = None


class AgentChange(Body):
    """Members left out stay as they are; null removes."""

    name: Text | None = None
    owner_team: Text | None = None
    environment: Text | None = None
    active: StrictBool = True


class Merge(Body):
    into: Text


class ShownEvidence(BaseModel):
    kind: str
    score: float
    detail: str | None


class ShownAgent(BaseModel):
    """`deviation` in standard deviations of the agent's own past, of its latest exchange. `throttled`: one request at a
    time goes through. `remedies`: what it is treated with."""

    agent_id: str
    name: str | None
    verified: bool
    state: str
    deviation: float | None
    throttled: bool
    remedies: list[str]
    owner_team: str | None
    environment: str | None
    active: bool
    merged_into: str | None
    first_seen: Timestamp
    last_seen: Timestamp
    models: list[str]
    tools: list[str]
    providers: list[str]
    mcp_servers: list[str]
    client: str | None
    address: str | None
    credential: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    evidence: list[ShownEvidence]


class AgentList(BaseModel):
    items: list[ShownAgent]
    next_cursor: str | None = None


class SplitAgent(BaseModel):
    agent_id: str
    separated: list[str]


def router(agents: Agents, identities: Identities, states: States, forget: Forget) -> APIRouter:
    """Reads only what Redis has, so any worker answers for all. `forget` what was learned of an agent that is gone."""
    routes = APIRouter(tags=["agents"])
    shown = _Shown(identities, states)
    _reads(routes, agents, shown)
    _writes(routes, agents, identities, shown, forget)
    _likeness(routes, agents, identities, shown, forget)
    return routes


def _reads(routes: APIRouter, agents: Agents, shown: "_Shown") -> None:
    @routes.get("/agents", response_model=AgentList, dependencies=[needs("viewer")])
    async def list_agents(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        agent_id: Annotated[list[AgentIdText] | None, Query(max_length=100, description="only these")] = None,
    ) -> dict[str, Any]:
        """One page of agents, the latest made first."""
        if agent_id:
            return {"items": await shown.all(await agents.some(agent_id)), "next_cursor": None}
        try:
            records, following = await agents.list(limit, cursor)
        except ValueError:
            raise invalid("query.cursor", "no such cursor") from None
        return {"items": await shown.all(records), "next_cursor": following}

    @routes.get("/agents/{agent_id}", response_model=ShownAgent, dependencies=[needs("viewer")], responses={404: {}})
    async def get_agent(agent_id: AgentId) -> dict[str, Any]:
        return await shown(await known(agents, agent_id))


def _writes(routes: APIRouter, agents: Agents, identities: Identities, shown: "_Shown", forget: Forget) -> None:
    @routes.post(
        "/agents",
        status_code=201,
        response_model=ShownAgent,
        dependencies=[needs("admin")],
        responses={409: {}},
    )
    async def make_agent(body: NewAgent) -> dict[str, Any]:
        """A verified agent; `POST /agents/{id}/keys` makes it a key."""
        try:
            agent_id = await identities.registry.make(Attributes(body.name, body.owner_team, body.environment))
        except NameTaken as taken:
            raise _taken(taken) from None
        return await shown(await known(agents, agent_id))

    @routes.patch(
        "/agents/{agent_id}",
        response_model=ShownAgent,
        dependencies=[needs("admin")],
        responses={404: {}, 409: {}},
    )
    async def change_agent(agent_id: AgentId, body: AgentChange) -> dict[str, Any]:
        """An agent that is not `active` is refused, whatever it shows."""
        given = body.model_dump(exclude_unset=True)
        active = given.pop("active", None)
        if active is False and (into := identities.rules.of(agent_id).into) is not None:
            raise Problem(409, f"{agent_id[:80]} was merged into {into}, which its requests count as.")
        try:
            if not await identities.change(agent_id, given, active=active):
                raise unknown_agent(agent_id)
        except NameTaken as taken:
            raise _taken(taken) from None
        return await shown(await known(agents, agent_id))

    @routes.delete("/agents/{agent_id}", status_code=204, dependencies=[needs("admin")])
    async def delete_agent(agent_id: AgentId) -> None:
        """Its keys are revoked and what is known of it is forgotten; without a key it is found anew when it comes."""
        await identities.delete(agent_id)
        await forget(agent_id)


def _likeness(routes: APIRouter, agents: Agents, identities: Identities, shown: "_Shown", forget: Forget) -> None:
    @routes.post(
        "/agents/{agent_id}/merge",
        response_model=ShownAgent,
        dependencies=[needs("admin")],
        responses={404: {}, 409: {}},
    )
    async def merge_agent(agent_id: AgentId, body: Merge) -> dict[str, Any]:
        """Two ids are one agent: from now on, whoever has this one counts as the other."""
        one, into = await known(agents, agent_id), await known(agents, body.into)
        if one.verified or into.verified:
            raise Problem(409, "Only agents without a key can be merged: a key says for sure who calls.")
        if (state := await shown.state(agent_id)) in BLOCKED:
            raise Problem(409, f"{agent_id[:80]} is {state}; release it first.")
        if identities.rules.stands_for(into.agent_id) == agent_id:
            raise Problem(409, f"{body.into[:80]} is already {agent_id}, so this would be a circle.")
        await identities.merge(agent_id, into.agent_id)
        await forget(agent_id)
        return await shown(into)

    @routes.post(
        "/agents/{agent_id}/split", response_model=SplitAgent, dependencies=[needs("admin")], responses={404: {}}
    )
    async def split_agent(agent_id: AgentId) -> dict[str, Any]:
        """Undo merges; without any, take what comes with this agent's fingerprint for several agents more readily."""
        await known(agents, agent_id)
        return {"agent_id": agent_id, "separated": await identities.split(agent_id)}


async def known(agents: Agents, agent_id: str) -> AgentRecord:
    """Raises Problem 404 without such an agent."""
    record = await agents.get(agent_id)
    if record is None:
        raise unknown_agent(agent_id)
    return record


def as_agent(record: AgentRecord) -> Agent:
    """The agent as policies see it: what operators call one that has proved nothing is not looked at there."""
    proved = record.verified
    return Agent(
        record.agent_id,
        proved,
        record.credential,
        record.name if proved else None,
        record.credential_id,
        owner_team=record.owner_team if proved else None,
        environment=record.environment if proved else None,
        evidence=record.evidence,
    )


def unknown_agent(agent_id: str) -> Problem:
    """A 404."""
    return Problem(404, f"There is no agent {agent_id[:80]!r}.")


def _taken(taken: NameTaken) -> Problem:
    return Problem(409, f"Agent {taken.owner} has this name; give another, or use that agent.")


class _Shown:
    """An agent as the API shows it."""

    def __init__(self, identities: Identities, states: States) -> None:
        self._identities = identities
        self._states = states

    async def state(self, agent_id: str) -> State:
        return (await self._states.of([agent_id]))[agent_id].state

    async def __call__(self, record: AgentRecord) -> dict[str, Any]:
        return (await self.all([record]))[0]

    async def all(self, records: Sequence[AgentRecord]) -> list[dict[str, Any]]:
        conditions = await self._states.of(record.agent_id for record in records)
        return [self._one(record, conditions[record.agent_id]) for record in records]

    def _one(self, record: AgentRecord, condition: Condition) -> dict[str, Any]:
        return {
            "agent_id": record.agent_id,
            "name": record.name,
            "verified": record.verified,
            "state": condition.state,
            "deviation": condition.deviation,
            "throttled": condition.throttled,
            "remedies": list(condition.remedies),
            "owner_team": record.owner_team,
            "environment": record.environment,
            "active": record.active,
            "merged_into": self._identities.rules.of(record.agent_id).into,
            "first_seen": rfc3339(record.first_seen),
            "last_seen": rfc3339(record.last_seen),
            "models": list(record.models),
            "tools": list(record.tools),
            "providers": [name for name in record.providers if not name.startswith(_MCP)],
            "mcp_servers": [name.removeprefix(_MCP) for name in record.providers if name.startswith(_MCP)],
            "client": record.client,
            "address": record.address,
            "credential": record.credential,
            "requests": record.requests,
            "input_tokens": record.input_tokens,
            "output_tokens": record.output_tokens,
            "cost_usd": usd(record.cost),
            "evidence": [{"kind": e.kind, "score": e.score, "detail": e.detail} for e in record.evidence],
        }
