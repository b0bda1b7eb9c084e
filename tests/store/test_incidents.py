import asyncio
from dataclasses import replace

import pytest

from gateway.immune.diagnosis import Diagnosis
from gateway.immune.incident import Incident
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.incidents import Incidents
from tests.store.test_watch_feed import FOUND
from tests.store.test_watch_partitions import Clock
from tests.support.redis import RedisServer

CLOCK = Clock(1_700_000_000.0)
KEEP = 1000.0


def make(connection: Connection, clock: Clock = CLOCK, keep_seconds: float = KEEP) -> Incidents:
    return Incidents(connection, clock=clock, keep_seconds=keep_seconds)


def incident(number: int, agent_id: str = "agt_1", *, at: float | None = None) -> Incident:
    opened_at = CLOCK.now + number if at is None else at
    return Incident(f"inc_{number:04}", agent_id, opened_at, state="SUSPECTED", reason="odd")


def closed(one: Incident) -> Incident:
    return replace(one, closed_at=CLOCK.now, state="HEALTHY")


async def ids(incidents: Incidents, limit: int = 100, **how: object) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        some, cursor = await incidents.page(limit=limit, cursor=cursor, **how)  # type: ignore[arg-type]
        assert len(some) <= limit
        found += [one.incident_id for one in some]
    return found


async def test_an_incident_is_kept_as_it_is_and_opened_once(connection: Connection) -> None:
    incidents = make(connection)
    full = replace(
        incident(1),
        opened_at=1_700_000_000.123456789,
        findings=(FOUND,),
        diagnoses=(Diagnosis("infinite_loop", 0.5),),
        detail={"provider": "p\ud800"},
    ).acted("throttle", "applied", 5.0)
    assert await incidents.open(full) == full == await incidents.get("inc_0001")
    assert await incidents.open(replace(full, reason="again")) == full
    assert await incidents.get("inc_none") is None
    assert await incidents.page(agent_id="agt_1", open=True, limit=1) == ([full], "1700000000123457-inc_0001")
    assert await incidents.page(agent_id="agt_2", open=True) == ([], None)


async def test_of_many_who_change_it_at_once_none_is_lost(connection: Connection) -> None:
    incidents = make(connection)
    await incidents.open(incident(1))

    async def act(number: int) -> None:
        await make(connection).change("inc_0001", lambda one: one.acted(f"act_{number}", "done", float(number)))

    await asyncio.gather(*map(act, range(20)))
    found = await incidents.get("inc_0001")
    assert found is not None and {action.action for action in found.actions} == {f"act_{n}" for n in range(20)}


async def test_a_change_that_is_none_or_of_none_does_nothing(connection: Connection) -> None:
    incidents = make(connection)
    await incidents.open(incident(1))
    assert await incidents.change("inc_0001", lambda one: one) == incident(1)
    assert await incidents.change("inc_none", closed) is None
    with pytest.raises(ZeroDivisionError):
        await incidents.change("inc_0001", lambda one: one if 1 / 0 else one)


async def test_pages_show_each_once_the_latest_first(connection: Connection) -> None:
    incidents = make(connection)
    for number in range(130):
        await incidents.open(incident(number, f"agt_{number % 2}", at=CLOCK.now + number // 2))
        if number % 3 == 0:
            await incidents.change(f"inc_{number:04}", closed)
    everything = [f"inc_{number:04}" for number in reversed(range(130))]
    shut = [name for name in everything if int(name[4:]) % 3 == 0]
    for limit in (7, 50, 200):
        assert await ids(incidents, limit) == everything
        assert await ids(incidents, limit, open=False) == shut
        assert await ids(incidents, limit, open=True) == [name for name in everything if name not in shut]
        assert await ids(incidents, limit, agent_id="agt_1") == everything[::2]
    assert await ids(incidents, 9, agent_id="agt_1", open=False) == [name for name in shut if int(name[4:]) % 2]
    (latest,), _ = await incidents.page(agent_id="agt_1", open=True, limit=1)
    assert latest.incident_id == "inc_0127"
    for cursor in ("x", "1", "-inc", "9" * 17 + "-inc", "١-inc"):
        with pytest.raises(ValueError, match="cursor"):
            await incidents.page(cursor=cursor)


async def test_one_that_is_opened_again_is_among_the_open_ones_again(connection: Connection) -> None:
    incidents = make(connection)
    await incidents.open(incident(1))
    await incidents.change("inc_0001", closed)
    assert await ids(incidents, open=True) == []
    await incidents.change("inc_0001", lambda one: replace(one, closed_at=None))
    assert await ids(incidents, open=True) == ["inc_0001"] and await ids(incidents, open=False) == []


async def test_incidents_go_when_their_time_is_over(connection: Connection) -> None:
    clock, keys = Clock(CLOCK.now), connection.keys
    incidents = make(connection, clock)
    for number in range(3):
        await incidents.open(incident(number))
    ttl = await connection.execute("TTL", keys.incident("inc_0000"))
    assert KEEP - 10 < ttl <= KEEP
    await connection.execute("DEL", keys.incident("inc_0000"), keys.incident("inc_0001"))  # as Redis will
    assert await ids(incidents) == ["inc_0002"]
    clock.now += KEEP + 2
    await incidents.open(incident(9, at=clock.now))
    for index in (keys.incidents_index, keys.incidents_open):
        assert await connection.execute("ZRANGE", index, 0, -1) == [b"inc_0002", b"inc_0009"]


async def test_one_agent_has_a_bounded_number(connection: Connection) -> None:
    incidents = make(connection)
    keys = connection.keys
    await connection.execute("ZADD", keys.incidents_of("agt_1"), *(part for n in range(1000) for part in (n, f"i{n}")))
    await incidents.open(incident(1))
    assert await connection.execute("ZCARD", keys.incidents_of("agt_1")) == 1000


async def test_one_of_another_version_is_passed_over(connection: Connection) -> None:
    incidents = make(connection)
    await incidents.open(incident(1))
    await incidents.open(incident(2))
    await connection.execute("SET", connection.keys.incident("inc_0002"), "[99, {}]")
    assert await ids(incidents) == ["inc_0001"] and await incidents.get("inc_0002") is None
    assert await incidents.change("inc_0002", closed) is None


async def test_without_redis_it_says_so(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    incidents = make(connection)
    own_redis.kill()
    for asked in (incidents.open(incident(1)), incidents.get("inc_1"), incidents.change("inc_1", closed)):
        with pytest.raises(StoreUnavailable):
            await asked
    await connection.close()


async def test_each_one_that_is_opened_or_closed_is_told_once(connection: Connection) -> None:
    incidents, told = make(connection), []
    incidents.on_change.append(told.append)
    await incidents.open(incident(1))
    await incidents.open(replace(incident(1), reason="again"))
    await incidents.change("inc_0001", lambda one: one.acted("throttle", "applied", 1.0))
    assert told == ["opened"]
    await incidents.change("inc_0001", closed)
    await incidents.change("inc_0001", closed)
    await incidents.change("inc_0001", lambda one: replace(one, closed_at=None))
    assert told == ["opened", "closed", "opened"]
