"""Modes of the deployment and of its parts, in the control state."""

import time
from collections.abc import Callable

import pytest

from gateway.model.agent import Agent
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.modes import MOST, Modes, TooManyModes

AGENT = Agent("agt_1", verified=True, owner_team="platform", environment="prod")
STRANGER = Agent("agt_2")


class Clock:
    now = 1.8e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def modes(connection: Connection, clock: Clock) -> Modes:
    return Modes(Control(connection, clock=time.monotonic), clock=clock)


async def test_without_any_every_document_is_in_its_start_mode(modes: Modes) -> None:
    found = modes.of(AGENT)
    assert not found and found.get("ops") is None and modes.all() == []


async def test_the_most_specific_scope_counts(modes: Modes) -> None:
    def seen() -> tuple[str | None, str | None]:
        return modes.of(AGENT).get("ops"), modes.of(STRANGER).get("ops")

    expected = [
        ("everyone", "A", ("A", "A")),
        ("policy:ops", "B", ("B", "B")),
        ("environment:prod", "C", ("C", "B")),
        ("team:platform", "D", ("D", "B")),
        ("agent:agt_1", "E", ("E", "B")),
    ]
    for scope, mode, result in expected:
        await modes.set(mode, scope=scope, reason="a test", by="root")
        assert seen() == result
    assert modes.of(STRANGER).get("other") == "A" and dict(modes.of(STRANGER)) == {"ops": "B"}
    for scope, *_ in reversed(expected):
        await modes.set(None, scope=scope, reason="over", by="root")
    assert seen() == (None, None) and not modes.of(AGENT)


async def test_a_mode_ends_with_its_time(modes: Modes, clock: Clock) -> None:
    made, epoch = await modes.set("EMERGENCY", reason="an incident", by="adk_1", ttl_seconds=60)
    assert (made.scope, made.mode, made.until, epoch > 0) == ("everyone", "EMERGENCY", clock.now + 60, True)
    clock.now += 59.9
    assert modes.of(AGENT)["ops"] == "EMERGENCY" and modes.all() == [made] and modes.get("everyone") == made
    clock.now += 0.1
    assert modes.all() == [] and modes.get("everyone") is None
    assert modes.of(AGENT).get("ops") is None
    with pytest.raises(KeyError):
        modes.of(AGENT)["ops"]


async def test_an_agent_that_moves_to_another_team_is_in_that_teams_mode(modes: Modes) -> None:
    await modes.set("LOCKED", scope="team:platform", reason="a test", by="root")
    assert modes.of(AGENT)["ops"] == "LOCKED"
    assert modes.of(Agent("agt_1", verified=True, owner_team="data")).get("ops") is None


async def test_a_replica_that_starts_later_knows_what_is_set(connection: Connection, clock: Clock) -> None:
    here, there = (Control(connection, clock=time.monotonic) for _ in range(2))
    modes, others = Modes(here, clock=clock), Modes(there, clock=clock)
    made, _ = await modes.set("EMERGENCY", reason="an incident", by="root")
    await there.refresh()
    assert others.all() == [made] and others.of(STRANGER)["ops"] == "EMERGENCY"
    assert Modes(there, clock=clock).all() == [made]


async def test_there_are_only_so_many(modes: Modes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.modes.MOST", 2)
    for number in range(2):
        await modes.set("A", scope=f"agent:{number}", reason="a test", by="root")
    with pytest.raises(TooManyModes):
        await modes.set("A", scope="agent:2", reason="a test", by="root")
    await modes.set("B", scope="agent:1", reason="another", by="root")
    await modes.set(None, scope="agent:0", reason="over", by="root")
    await modes.set("A", scope="agent:2", reason="a test", by="root")
    assert [(found.scope, found.mode) for found in modes.all()] == [("agent:1", "B"), ("agent:2", "A")]
    assert MOST == 1000


def test_asking_is_cheap(modes: Modes, clock: Callable[[], float]) -> None:
    assert modes.of(AGENT) is modes.of(STRANGER)
