"""Moves through the control state, told as they were made."""

import time

import pytest

from gateway.background.move_agents import MoveAgents
from gateway.model.lifecycle import Life
from gateway.store.errors import StoreUnavailable
from tests.background.healing import Told
from tests.background.test_tell_of_agents import telling
from tests.store.test_control import replica
from tests.store.test_quarantine import over


async def test_a_move_begins_where_the_agent_is_and_is_told_once(redis_url: str) -> None:
    async with replica(redis_url) as control:
        told, base = Told(), Life("agt_1", "SUSPECTED")
        agents = MoveAgents(over(control), telling(told))
        assert agents.of("agt_1") is None and agents.blocked() == []
        for _ in range(2):
            life = await agents.move("agt_1", lambda one: one if one.blocked else _drain(one), base)
        assert life.state == "DRAINING" and agents.of("agt_1") == life and agents.blocked() == [life]
        assert told.moves == [("SUSPECTED", "DRAINING")]


async def test_what_was_never_blocked_moves_where_it_is_watched(redis_url: str) -> None:
    async with replica(redis_url) as control:
        told, quarantine = Told(), over(control)
        agents = MoveAgents(quarantine, telling(told))
        base = Life("agt_1", "HEALTHY")
        life = await agents.move("agt_1", lambda one: one.moved("SUSPECTED", time.time(), "odd", "gateway"), base)
        assert life.state == "SUSPECTED" and quarantine.of("agt_1") is None
        assert told.moves == [("HEALTHY", "SUSPECTED")]


async def test_a_move_is_told_after_what_is_done_meanwhile_and_though_that_fails(redis_url: str) -> None:
    async with replica(redis_url) as control:
        told, order = Told(), list[str]()
        agents, base = MoveAgents(over(control), telling(told)), Life("agt_1", "HEALTHY")
        with pytest.raises(StoreUnavailable):
            async with agents.moving("agt_1", _drain, base) as life:
                order += [life.state, *[kind for kind, _ in told.events]]
                raise StoreUnavailable("down")
        assert order == ["DRAINING"] and [kind for kind, _ in told.events] == ["lifecycle"]


def _drain(life: Life) -> Life:
    return life.moved("DRAINING", time.time(), "odd", "gateway")
