import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.immune.moves import exhausted, healing
from gateway.model.lifecycle import KEPT_MOVES, IllegalMove, Life
from gateway.store.control import Control
from gateway.store.quarantine import KIND, Quarantine
from tests.store.test_control import replica
from tests.support.redis import RedisServer


def over(control: Control) -> Quarantine:
    return Quarantine(control, control._connection, clock=time.time)


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Quarantine, Quarantine]]:
    async with replica(redis_url) as one, replica(redis_url) as other:
        yield over(one), over(other)


Pair = tuple[Quarantine, Quarantine]


async def test_a_blocked_agent_is_blocked_on_every_replica_until_it_is_released(pair: Pair) -> None:
    one, other = pair
    heard: list[Life] = []
    other.on_blocked.append(heard.append)
    life, epoch = await one.block("agt_1", "odd", "root", credential_id="crd_1")
    assert await one._control.acknowledged(epoch, 5) == []
    assert heard == [life] == [other.of("agt_1")] and other.state("agt_1") == "QUARANTINED"
    assert other.blocked == one.blocked == {"agt_1": life}
    assert life.incident_id is not None and life.incident_id.startswith("inc_")
    assert other.credentials == {"crd_1": life.history[0].at}
    life, epoch = await other.release("agt_1", "fine", "adk_1")
    assert await other._control.acknowledged(epoch, 5) == []
    assert (one.blocked, one.credentials, one.state("agt_1")) == ({}, {}, "PROBATION")
    assert [move.by for move in life.history] == ["root", "root", "adk_1"]


async def test_a_credential_stays_bound_however_often_its_agent_is_healed_in_vain(pair: Pair) -> None:
    one, _ = pair
    await one.block("agt_1", "odd", "root", credential_id="crd_1")
    for _ in range(KEPT_MOVES // 2):
        await one.change("agt_1", lambda life: exhausted(healing(life, 5.0, "heal_now", "root"), 5.0))
    life = one.blocked["agt_1"]
    assert (life.state, len(life.history)) == ("EXHAUSTED", KEPT_MOVES)
    assert one.credentials.keys() == {"crd_1"}


async def test_saying_it_twice_changes_nothing(pair: Pair) -> None:
    one, other = pair
    first = await one.block("agt_1", "odd", "root")
    assert await one.block("agt_1", "odder", "adk_1") == first
    assert (await one.release("agt_2", "fine", "root"))[1] == 0
    assert other.state("agt_2") == "INITIALIZING"


async def test_of_two_who_change_it_at_once_the_second_sees_what_the_first_did(pair: Pair) -> None:
    one, other = pair
    await one.block("agt_1", "odd", "root", drain_seconds=0)
    _, epoch = await one.release("agt_1", "fine", "root")
    life, later = await other.block("agt_1", "odd again", "adk_1")
    assert later > epoch and [move.state for move in life.history][-3:] == ["PROBATION", "DRAINING", "QUARANTINED"]


async def test_draining_ends_once_for_all(pair: Pair) -> None:
    one, other = pair
    life, epoch = await one.block("agt_1", "odd", "root", drain_seconds=0.001)
    assert life.state == "DRAINING"
    await one._control.acknowledged(epoch, 5)
    assert [found.agent_id for found in other.drain_over()] == ["agt_1"]
    await one.drained("agt_1")
    await other.drained("agt_1")
    ended = other.of("agt_1")
    assert ended is not None and [move.state for move in ended.history] == ["DRAINING", "QUARANTINED"]


async def test_an_agent_that_is_being_healed_is_not_released(pair: Pair) -> None:
    one, _ = pair
    await one.block("agt_1", "odd", "root")
    found = one._control.get(KIND, "agt_1")
    assert found is not None
    await one._control.change(KIND, "agt_1", {**found[0], "state": "HEALING"})
    with pytest.raises(IllegalMove):
        await one.release("agt_1", "fine", "root")


async def test_who_was_there_before_is_known(pair: Pair) -> None:
    one, _ = pair
    connection = one._connection
    await connection.execute("HSET", connection.keys.agent("agt_1"), "first_seen", 5000)
    assert await one.existed("agt_1", before=6.0)
    assert not await one.existed("agt_1", before=4.0)
    assert not await one.existed("agt_2", before=6.0)


async def test_a_block_outlives_an_emptied_redis_and_a_restart(own_redis: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    async with replica(own_redis.url, path) as control:
        life, _ = await over(control).block("agt_1", "odd", "root")
    own_redis.ask("FLUSHALL")
    async with replica(own_redis.url, path) as control:
        assert over(control).blocked == {"agt_1": life}


async def test_each_move_of_an_operator_is_told_once_by_the_replica_that_made_it(pair: Pair) -> None:
    one, other = pair
    moves: list[tuple[str, str]] = []
    for quarantine in pair:
        quarantine.on_moved.append(lambda before, after: moves.append((before, after)))
    await one.block("agt_1", "odd", "root")
    await one.block("agt_1", "odd", "root")
    assert moves == [("INITIALIZING", "DRAINING"), ("DRAINING", "QUARANTINED")]
    await other.release("agt_1", "fine", "root")
    await one.block("agt_1", "odd", "root", drain_seconds=60)
    await one.drained("agt_1")
    await other.drained("agt_1")
    assert moves[2:] == [("QUARANTINED", "PROBATION"), ("PROBATION", "DRAINING"), ("DRAINING", "QUARANTINED")]
