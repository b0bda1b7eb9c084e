"""`/ingest`: vitals of agents that do not pass through the gateway, as they measure them themselves."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Text, usd
from gateway.edge.agents_api.access import Reporter, reporter
from gateway.model.agent import Agent, Evidence
from gateway.model.answer import Usage
from gateway.model.vitals import Vitals
from gateway.pricing.price import Price
from gateway.store.agents import AgentRecord
from gateway.store.registry import Attributes, NameTaken

_HOUR = 3600.0
_AHEAD = 300.0
"""Seconds that a reporter's clock may go before ours."""
_BACK = 30 * 86_400
_MOST = 1000

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$")]
Tokens = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=0, le=10**6)]
Milliseconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]


class Reported(BaseModel):
    """One exchange. Of an agent by its own key, or of any by `agent_id` or `name`; what is left out is not known."""

    model_config = ConfigDict(extra="ignore")

    agent_id: Id | None = None
    name: Text | None = None
    request_id: Text | None = None
    time: AwareDatetime | Annotated[float, Field(ge=0, le=10**11, allow_inf_nan=False)] | None = None
    dialect: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    stream: bool = False
    status: Annotated[int, Field(ge=0, le=999)] = 200
    error_type: Text | None = None
    latency_ms: Milliseconds = 0.0
    ttft_ms: Milliseconds | None = None
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cached_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    usage_estimated: bool = False
    cost_usd: Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False)] | None = None
    tool_calls: Count | None = None
    tool_names: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    tool_errors: Count = 0
    denied_calls: Count = 0
    repeated_calls: Count = 0
    retries: Count = 0
    finish_reason: Text | None = None
    prompt_hash: Text | None = None
    tools_hash: Text | None = None
    conversation: Text | None = None
    turn: Count | None = None


class Taken(BaseModel):
    agent_id: str
    request_id: str


class Receipt(BaseModel):
    accepted: int
    items: list[Taken]


class KnownAgents(Protocol):
    """Where vitals go (`store.agents`)."""

    async def get(self, agent_id: str) -> AgentRecord | None: ...

    def seen(self, agent: Agent, vitals: Vitals, *, tools: tuple[str, ...], ok: bool, proxied: bool) -> None: ...


def router(
    agents: KnownAgents,
    make: Callable[[Attributes], Awaitable[str]],
    price: Callable[[str | None, str | None], Price | None],
    *,
    watched: Callable[[Vitals], object] = lambda vitals: None,
    clock: Callable[[], float],
    new_id: Callable[[], str],
) -> APIRouter:
    """Vitals of agents.

    Args:
        make: a new agent that somebody named, its id; raises NameTaken.
        watched: told of all of them, in memory.
        clock: seconds since the epoch.
        new_id: of a request whose reporter gave it none.
    """
    routes = APIRouter(tags=["ingest"])
    desk = _Desk(agents, make, price, watched, clock, new_id)

    @routes.post("/ingest", status_code=202, response_model=Receipt, responses={403: {}, 409: {}})
    async def ingest(
        request: Request, body: Reported | Annotated[list[Reported], Field(min_length=1, max_length=_MOST)]
    ) -> dict[str, Any]:
        """One exchange or a list of up to a thousand: all are taken or none. Unknown members are ignored."""
        many = body if isinstance(body, list) else [body]
        who, known = reporter(request), dict[str, Agent]()
        found = [await desk.agent(who, one, known, place) for place, one in enumerate(many)]
        items = [desk.take(agent, one) for agent, one in zip(found, many, strict=True)]
        return {"accepted": len(items), "items": items}

    return routes


class _Desk:
    """Finds out whose vitals they are, and puts them where those of the proxy go."""

    def __init__(
        self,
        agents: KnownAgents,
        make: Callable[[Attributes], Awaitable[str]],
        price: Callable[[str | None, str | None], Price | None],
        watched: Callable[[Vitals], object],
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._agents = agents
        self._make = make
        self._price = price
        self._watched = watched
        self._clock = clock
        self._new_id = new_id

    async def agent(self, who: Reporter, one: Reported, known: dict[str, Agent], place: int) -> Agent:
        """The agent, asked for once a request. Raises Problem 403, 409 or 422."""
        if _seconds(one.time, 0.0) > self._clock() + _AHEAD:
            raise invalid(f"body.{place}.time", "lies in the future")
        if _seconds(one.time, self._clock()) < self._clock() - _BACK:
            raise invalid(f"body.{place}.time", "lies more than 30 days back")
        if who.agent is not None:
            self._check_own(who.agent, one, place)
            name = who.agent.agent_id
        elif one.agent_id is None and one.name is None:
            raise invalid(f"body.{place}.agent_id", "whose vitals are they? Give agent_id or name")
        else:
            name = one.agent_id or f"name {one.name}"
        if name not in known:
            known[name] = await self._look_up(who, one)
        return known[name]

    def take(self, agent: Agent, one: Reported) -> dict[str, str]:
        request_id = one.request_id or self._new_id()
        now = self._clock()
        usage = Usage(one.input_tokens, one.output_tokens, one.cached_tokens, one.reasoning_tokens)
        price = self._price(one.provider or "default", one.model) if one.cost_usd is None else None
        told = one.model_dump(exclude={"name"})
        told |= {
            "agent_id": agent.agent_id,
            "request_id": request_id,
            "time": min(now, _seconds(one.time, now)),
            "cost_usd": one.cost_usd if price is None else usd(price.cost(usage)),
            "tool_calls": len(one.tool_names) if one.tool_calls is None else one.tool_calls,
        }
        vitals = Vitals(**told)
        self._agents.seen(agent, vitals, tools=one.tool_names, ok=True, proxied=False)
        self._watched(vitals)
        return {"agent_id": agent.agent_id, "request_id": request_id}

    def _check_own(self, agent: Agent, one: Reported, place: int) -> None:
        if one.agent_id not in (None, agent.agent_id):
            raise Problem(403, f"body.{place}.agent_id is another agent's; this key is of {agent.agent_id}.")
        if one.agent_id is None and one.name not in (None, agent.name):
            raise Problem(403, f"body.{place}.name is another agent's; this key is of {agent.agent_id}.")

    async def _look_up(self, who: Reporter, one: Reported) -> Agent:
        agent_id = who.agent.agent_id if who.agent is not None else one.agent_id
        if agent_id is None:
            try:
                agent_id = await self._make(Attributes(name=one.name))
            except NameTaken as taken:
                agent_id = taken.owner
        record = await self._agents.get(agent_id)
        if record is None:
            return Agent(agent_id, name=one.name, evidence=(Evidence("reported", 1.0),))
        if who.agent is not None and not record.active:
            raise Problem(403, f"Agent {agent_id} was deactivated by an operator.")
        if record.proxied is not None and self._clock() - record.proxied < _HOUR:
            raise Problem(409, f"Agent {agent_id} passes through the gateway, which measures it itself.")
        return Agent(
            agent_id,
            record.verified,
            owner_team=record.owner_team,
            environment=record.environment,
            evidence=record.evidence,
        )


def _seconds(time: datetime | float | None, otherwise: float) -> float:
    if isinstance(time, datetime):
        return time.timestamp()
    return otherwise if time is None else time
