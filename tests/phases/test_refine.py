"""Which of several agents behind one fingerprint is calling."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from gateway.identity.fingerprint import Fingerprinter
from gateway.identity.forms import Form
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route
from gateway.model.vitals import Vitals
from gateway.phases.identify import become
from gateway.phases.profile import Profiler
from gateway.phases.refine import Refine
from gateway.store.errors import StoreUnavailable
from gateway.wire import DIALECTS

BILLING = ("Look up invoices, explain charges and issue refunds.", ("get_invoice", "refund"))
WEATHER = ("Forecast temperature, wind and rain for any city.", ("get_weather",))
NUMBERS = count(1)


class Rules:
    """What operators decided."""

    def __init__(self) -> None:
        self.into: dict[str, str] = {}
        self.inactive: set[str] = set()

    def stands_for(self, agent_id: str) -> str:
        return self.into.get(agent_id, agent_id)

    def is_inactive(self, agent_id: str) -> bool:
        return agent_id in self.inactive

    def is_apart(self, agent_id: str) -> bool:
        return False


class World:
    """The gate with a memory that a test may take away; it keeps what worked at once."""

    def __init__(self) -> None:
        self.fingerprinter = Fingerprinter(b"secret")
        self.forms: dict[str, dict[str, Form]] = {}
        self.rules = Rules()
        self.looks = 0
        self.lost = False
        self.now = 0.0
        self.profiler = Profiler(b"secret", clock=lambda: 0.0)
        self.refine = Refine(self.fingerprinter, self, self, self.rules, b"key", clock=lambda: self.now)

    async def of(self, base: str) -> Sequence[Form]:
        self.looks += 1
        if self.lost:
            raise StoreUnavailable("open")
        return list(self.forms.get(base, {}).values())

    def keep(self, base: str, form: Form) -> None:
        self.forms.setdefault(base, {})[form.agent_id] = form

    async def settle(self, agent: Agent) -> Agent:
        return agent

    async def exchange(self, body: dict[str, Any], dialect: str = "chat_completions", **headers: str) -> Exchange:
        """One exchange through the gate; not yet over."""
        fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        request = Request("POST", "/", b"", list(fields.items()), fields, "127.0.0.1")
        exchange = Exchange(f"req_{next(NUMBERS)}", request, Route(dialect, "/"), None, 0.0)  # type: ignore[arg-type]
        exchange.credential = b"sk-shared"
        become(exchange, self.fingerprinter.agent(exchange.credential, fields))
        exchange.ask = DIALECTS[dialect].read_request(body)
        self.profiler(exchange)
        waiting = self.refine(exchange)
        if waiting is not None:
            await waiting
        return exchange

    async def call(self, body: dict[str, Any], status: int = 200, **rest: Any) -> str:
        """One whole exchange; whose it was."""
        exchange = await self.exchange(body, **rest)
        self.end(exchange, status)
        assert exchange.agent is not None
        assert (b"x-gateway-agent-id", exchange.agent.agent_id.encode()) in exchange.own_headers
        return exchange.agent.agent_id

    def end(self, exchange: Exchange, status: int) -> None:
        exchange.status, exchange.first_byte_at = status, 1.0
        vitals = Vitals("", exchange.id, 0.0, None, None, None, False, status, 1.0)
        self.profiler.observe(exchange, vitals)
        self.refine.observe(exchange, vitals)


def chat(form: tuple[str, tuple[str, ...]]) -> dict[str, Any]:
    system, names = form
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"model": "m", "messages": [{"role": "system", "content": system}], **({"tools": tools} if tools else {})}


async def test_two_agents_on_one_key_are_told_apart_and_asked_about_no_more() -> None:
    world = World()
    billing, weather = await world.call(chat(BILLING)), await world.call(chat(WEATHER))
    assert billing != weather
    assert [await world.call(chat(form)) for form in (BILLING, WEATHER)] == [billing, weather]
    looks = world.looks
    assert [await world.call(chat(form)) for form in (BILLING, WEATHER)] == [billing, weather]
    assert world.looks == looks


async def test_a_form_is_kept_only_after_an_answer_that_worked() -> None:
    world = World()
    await world.call(chat(BILLING), status=500)
    assert not world.forms
    base = await world.call(chat(BILLING))
    assert list(world.forms[base]) == [base]
    assert not world.refine._unkept


async def test_without_redis_the_fingerprint_decides_alone() -> None:
    world = World()
    billing = await world.call(chat(BILLING))
    world.lost = True
    assert await world.call(chat(WEATHER)) == billing


async def test_without_redis_who_was_told_apart_stays_so_however_long_it_takes() -> None:
    world = World()
    billing, weather = await world.call(chat(BILLING)), await world.call(chat(WEATHER))
    assert [await world.call(chat(form)) for form in (BILLING, WEATHER)] == [billing, weather]
    world.lost, world.now = True, 10_000.0
    assert [await world.call(chat(form)) for form in (BILLING, WEATHER)] == [billing, weather]


async def test_a_name_that_is_empty_is_none() -> None:
    world = World()
    billing, weather = await world.call(chat(BILLING)), await world.call(chat(WEATHER))
    named = [await world.call(chat(form), x_agent_id="") for form in (BILLING, WEATHER)]
    assert named == [billing, weather]


async def test_who_says_a_name_or_proved_one_is_not_asked_about() -> None:
    world = World()
    named = [await world.call(chat(form), x_agent_id="planner") for form in (BILLING, WEATHER)]
    assert named[0] == named[1] and world.looks == 0


async def test_a_conversation_that_the_provider_keeps_stays_with_its_agent() -> None:
    world = World()
    billing = await world.call(chat(BILLING))
    names = [{"type": "function", "name": name} for name in WEATHER[1]]
    first = {"model": "m", "input": "Hello", "instructions": WEATHER[0], "tools": names}
    exchange = await world.exchange(first, dialect="responses")
    exchange.answer = DIALECTS["responses"].read_answer({"id": "resp_1", "output": []})
    world.end(exchange, 200)
    weather = exchange.agent.agent_id if exchange.agent else ""
    assert weather != billing
    following = {"model": "m", "input": "And tomorrow?", "previous_response_id": "resp_1"}
    assert await world.call(following, dialect="responses") == weather
    assert await world.call({"model": "m", "input": "Hello"}, dialect="responses") == billing


async def test_what_an_operator_decided_holds_for_agents_told_apart() -> None:
    world = World()
    billing, weather = await world.call(chat(BILLING)), await world.call(chat(WEATHER))
    world.rules.into[weather] = billing
    assert await world.call(chat(WEATHER)) == billing
    world.rules.into.clear()
    world.rules.inactive.add(weather)
    with pytest.raises(Refusal) as refused:
        await world.call(chat(WEATHER))
    assert refused.value.code == "agent_quarantined"
    assert await world.call(chat(BILLING)) == billing
    world.rules.inactive = {billing}
    assert await world.call(chat(WEATHER)) == weather
    with pytest.raises(Refusal):
        await world.call(chat(BILLING))


async def test_a_relayed_request_shows_nothing() -> None:
    world = World()
    exchange = await world.exchange(chat(BILLING))
    exchange.ask = None
    assert world.refine(exchange) is None
