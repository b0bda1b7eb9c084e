"""What is told of agents by what they do, each kind by those who see it."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.identity.fingerprint import Fingerprinter
from gateway.immune.evidence import KINDS
from gateway.immune.finding import Finding
from gateway.model.agent import Agent
from gateway.model.lifecycle import Life
from gateway.phases import evidence as module
from gateway.phases.evidence import Evidence
from gateway.phases.guard import Guard
from gateway.phases.hearing import Hearing
from gateway.phases.identify import Identify
from gateway.phases.policies import Policies, in_force
from gateway.phases.reserve import Reserve
from gateway.pipeline import Pipeline
from gateway.policy.document import parse
from gateway.pricing.price import Price, Rates
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.given_calls import GivenCalls
from gateway.store.known_clients import Place
from gateway.store.limits import Limits
from gateway.store.memory import ActionMemory
from gateway.store.quarantine import Quarantine
from tests.support.conversations import ChatTalk
from tests.support.judging import engine, judged_path
from tests.support.path import OWN_KEY, running_path
from tests.support.upstream import ScriptedUpstream, json_answer

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self) -> None:
        self.clock, self.found = Clock(), list[Finding]()
        self.evidence = Evidence(self.found.append, clock=self.clock, wall_clock=lambda: 1.8e9)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, op_timeout=5)
    yield connection
    await connection.close()


def test_the_same_of_an_agent_is_told_once_a_minute(world: World) -> None:
    place = Place("agt_1", "curl", "10.1.2.0/24")
    for seconds in (0, 59, 0.9):
        world.clock.now += seconds
        world.evidence.new_client(place, "req_1")
    assert len(world.found) == 1
    world.clock.now += 0.2
    world.evidence.new_client(place, "req_2")
    world.evidence.new_client(Place("agt_2", "curl", "10.1.2.0/24"), "req_3")
    assert [(one.agent_id, one.request_id) for one in world.found] == [
        ("agt_1", "req_1"),
        ("agt_1", "req_2"),
        ("agt_2", "req_3"),
    ]
    first = world.found[0]
    assert (first.type, first.metric, first.hard, first.at) == ("new_client", "client", False, 1.8e9)
    assert first.detail == {"client": "curl", "address": "10.1.2.0/24"} and not KINDS[first.type].moves


async def test_a_new_agent_with_a_blocked_ones_credential_is_told_of_and_the_blocked_one_too(
    world: World, connection: Connection
) -> None:
    control = Control(connection, clock=time.monotonic)
    quarantine = Quarantine(control, connection, clock=time.time)

    def change(pipeline: Pipeline) -> None:
        guard = Guard(control, quarantine, pipeline.active, evaded=world.evidence.evaded, clock=lambda: 1.8e9)
        pipeline.identify = Identify(Fingerprinter(b"secret"), (OWN_KEY,), gates=(guard,))

    await control.begin()
    async with running_path(change=change) as path:
        agents = []
        for name in ("me", "new", "new"):
            headers = {"authorization": "Bearer sk-0123456789abcdef", "x-agent-id": name}
            answer = await path.client.post(CHAT, json=ASK, headers=headers)
            agents.append(answer.headers["x-gateway-agent-id"])
            if len(agents) == 1:
                credential = (await path.sightings.settled()).agent.credential_id
                life, _ = await quarantine.block(agents[0], "too eager", "root", credential_id=credential)
    assert [(one.type, one.metric, one.agent_id, one.hard) for one in world.found] == [
        ("identity_evasion", "credential", agents[1], True),
        ("identity_evasion", "credential", agents[0], False),
    ]
    assert world.found[0].request_id == "req_2"
    assert world.found[0].detail == {"incident": life.incident_id}
    assert world.found[1].detail == {"by": agents[1]}


def test_others_that_are_blocked_are_not_told_of(world: World) -> None:
    world.evidence.evaded(Agent("agt_1", credential_id="crd_1"), "req_1", [Life("agt_2", credential_id="crd_2")])
    assert [one.agent_id for one in world.found] == ["agt_1"]


@pytest.mark.parametrize("match", [{}, {"agents": ["*"]}, {"teams": ["blue"]}])
async def test_who_has_spent_its_budget_and_goes_on_is_told_of(
    world: World, connection: Connection, match: dict[str, Any]
) -> None:
    document = {"name": "ops", "budgets": {"tokens_per_day": 150}, **({"match": match} if match else {})}
    limits = Limits(connection, clock=time.monotonic)
    reserve = Reserve(
        limits,
        Policies(in_force([parse(document, "ops.yaml")])),
        price=lambda exchange: Price(Rates(input=1, output=1)),
        spent=world.evidence.spent,
        clock=time.monotonic,
    )
    usage = {"prompt_tokens": 10, "completion_tokens": 130, "total_tokens": 140}
    script = json_answer({"id": "c", "choices": [], "usage": usage})
    async with (
        ScriptedUpstream(script) as upstream,
        running_path(upstream.url, gates=(_of_team, reserve), observers=(reserve.settle,)) as path,
    ):
        statuses = []
        for number in range(4):
            body = {**ASK, "model": "m", "max_tokens": 20}
            answer = await path.client.post(CHAT, json=body, headers={"authorization": "Bearer sk-0123456789abcdef"})
            statuses.append(answer.status_code)
            await path.sightings.settled(number + 1)
            await limits.flush()
        assert statuses == [200, 429, 429, 429]
    if "teams" in match:
        assert not world.found  # who of the team has spent it is not said by that
        return
    ((one),) = world.found
    assert (one.type, one.metric, one.hard) == ("cost_spike", "budget", False)
    assert one.agent_id == answer.headers["x-gateway-agent-id"]
    assert one.detail == {"rule": "ops/budgets/tokens_per_day"}


def _of_team(exchange: Any) -> None:
    exchange.agent = replace(exchange.agent, owner_team="blue")


@pytest.mark.parametrize("enforcement", ["enforce", "shadow"])
async def test_a_result_of_a_call_that_was_not_let_through_is_hard_evidence_where_a_rule_governs_the_tool(
    world: World, connection: Connection, enforcement: str
) -> None:
    given = GivenCalls(connection, b"secret", clock=lambda: 1.8e9)

    def heard(judging: Any) -> Hearing:
        judging.decisions._unsanctioned = world.evidence.unsanctioned
        return Hearing(judging.of, given, ActionMemory(connection, b"secret"), judging.decisions)

    rules = engine({"default": "allow", "tools": {"send_mail": {"trust": "trusted"}}, "enforcement": enforcement})
    async with judged_path(rules, hearing=heard, memories=ActionMemory(connection, b"secret")) as judged:
        talk = ChatTalk("Mail ann")
        talk.take(talk.answer("send_mail", {"to": "ann"}, "call_1"), "done")
        headers = {"authorization": "Bearer sk-0123456789abcdef"}
        answer = await judged.path.client.post(CHAT, json=talk.body(), headers=headers)
    if enforcement == "shadow":
        assert not world.found
        return
    assert answer.status_code == 403, answer.text
    ((one),) = world.found
    assert (one.type, one.metric, one.hard) == ("unsanctioned_call", "reported", False)
    assert one.detail == {"tool": "send_mail"} and one.conversation


def test_every_finding_is_in_the_table() -> None:
    assert module.__doc__ is not None
    for kind in ("unsanctioned_call", "identity_evasion", "cost_spike", "new_client"):
        assert f"| `{kind}` |" in module.__doc__ and kind in KINDS
