"""Moves through the control state, told as they were made."""

import time

from gateway.background.move_agents import MoveAgents
from gateway.model.lifecycle import Life
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


def _drain(life: Life) -> Life:
    return life.moved("DRAINING", time.time(), "odd", "gateway")
