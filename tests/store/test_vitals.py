"""The vitals of an agent's latest exchanges, in Redis."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.agent import Agent
from gateway.model.vitals import Vitals
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.vitals import Kept, Packing, VitalsLog, nanodollars, packed, unpacked
from tests.store.test_agents import EXCHANGE
from tests.support.redis import RedisServer

AGENT = Agent("agt_1")


def _agents(connection: Connection, **options: object) -> Agents:
    return Agents(connection, clock=lambda: EXCHANGE.time, **options)  # type: ignore[arg-type]


def _exchange(number: int) -> Vitals:
    return replace(EXCHANGE, request_id=f"req_{number}", time=EXCHANGE.time + number, cost_usd=0.001)


async def test_rows_are_read_as_they_were_written_the_latest_first(connection: Connection) -> None:
    agents = _agents(connection)
    full = replace(_exchange(1), error_type="client_gone", tool_names=("a", "b"), conversation="c", turn=3, ttft_ms=0.5)
    for vitals in (_exchange(0), full):
        agents.seen(AGENT, vitals, ok=True)
    await agents.flush()
    agents.seen(AGENT, _exchange(2), ok=False)
    await agents.flush()
    assert await VitalsLog(connection).latest("agt_1", 10) == ([_exchange(2), full, _exchange(0)], None)


async def test_what_an_agent_cost_is_added_up(connection: Connection) -> None:
    agents = _agents(connection)
    for number in range(3):
        agents.seen(AGENT, replace(_exchange(number), cost_usd=0.0012345), ok=True)
    await agents.flush()
    record = await agents.get("agt_1")
    assert record is not None and record.cost == 3 * 1_234_500


async def test_pages_cover_all_rows_once(connection: Connection) -> None:
    agents = _agents(connection)
    for number in range(7):
        agents.seen(AGENT, _exchange(number), ok=True)
    await agents.flush()
    log, seen, cursor = VitalsLog(connection), [], None
    while True:
        rows, cursor = await log.latest("agt_1", 3, cursor=cursor)
        seen += [row.request_id for row in rows]
        if cursor is None:
            break
    assert seen == [f"req_{number}" for number in reversed(range(7))]
    for wrong in ("+", "0-0", "9" * 20 + "-0", "1-" + "9" * 20, "١-0"):
        with pytest.raises(ValueError, match="not a cursor"):
            await log.latest("agt_1", 3, cursor=wrong)


async def test_since_leaves_out_what_is_older(connection: Connection) -> None:
    agents = _agents(connection)
    for number in range(4):
        agents.seen(AGENT, _exchange(number), ok=True)
    await agents.flush()
    rows, _ = await VitalsLog(connection).latest("agt_1", 10, since=EXCHANGE.time + 2)
    assert [row.request_id for row in rows] == ["req_3", "req_2"]


async def test_rows_are_bounded_in_number_and_by_age(connection: Connection) -> None:
    agents = _agents(connection, kept=Kept(5, 60))
    for number in range(400):
        agents.seen(AGENT, _exchange(number), ok=True)
        if number % 50 == 49:
            await agents.flush()
    key = connection.keys.vitals("agt_1")
    assert await connection.execute("XLEN", key) <= 105  # whole nodes of 100 go
    assert 0 < await connection.execute("TTL", key) <= 60


async def test_an_agent_that_never_worked_leaves_no_rows(connection: Connection) -> None:
    agents = _agents(connection)
    agents.seen(AGENT, _exchange(0), ok=False)
    await agents.flush()
    assert await connection.execute("EXISTS", connection.keys.vitals("agt_1")) == 0


async def test_what_waits_for_redis_is_bounded_and_what_is_lost_is_counted(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=5)
    agents = _agents(connection, max_rows=10)
    own_redis.kill()
    for number in range(25):
        agents.seen(AGENT, _exchange(number), ok=True)
    assert not await agents.flush()
    assert agents.rows_dropped == 15
    own_redis.start()
    watching = asyncio.create_task(connection.watch())
    async with asyncio.timeout(10):
        while not await agents.flush():
            await asyncio.sleep(0.01)
    watching.cancel()
    record = await agents.get("agt_1")
    assert record is not None and record.requests == 25
    assert len((await VitalsLog(connection).latest("agt_1", 100))[0]) == 10
    for number in range(10):
        agents.seen(AGENT, _exchange(number), ok=True)
    assert agents.rows_dropped == 15
    await connection.close()


@given(text=st.text(st.characters(codec=None), max_size=50), number=st.integers(0, 10**30))
def test_whatever_a_provider_says_can_be_a_row(text: str, number: int) -> None:
    row = packed(replace(EXCHANGE, model=text, tool_names=(text,), input_tokens=number))
    found = unpacked("agt_1", row)
    assert found.input_tokens == number or number > 2**53
    if text.isascii():
        assert (found.model, found.tool_names) == (text, (text,))


def test_members_of_a_newer_version_are_left_out() -> None:
    row = packed(EXCHANGE)[:-1] + b',{"mood":"good"}]'
    assert unpacked("agt_1", row) == EXCHANGE


def test_rows_of_an_older_version_are_read() -> None:
    older = (
        b'{"request_id":"req_1","time":2.0,"model":"m","stream":false,"status":200,"latency_ms":1.5,"tool_names":["a"]}'
    )
    exchange = Vitals("agt_1", "req_1", 2.0, None, None, "m", False, 200, 1.5, tool_names=("a",))
    assert unpacked("agt_1", older) == exchange
    assert unpacked("agt_1", b'["req_1",2.0,null,null,"m",false,200,1.5,null,null,0,0,0,0,false,0,["a"]]') == exchange


@pytest.mark.parametrize("row", (b"[]", b"1", b"{}", b"null", b'["req_1"]', b'"' + b"a" * 40 + b'"', b"{"))
def test_what_is_no_row_is_refused(row: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        unpacked("agt_1", row)


def test_a_row_stays_small_whatever_names_are_chosen() -> None:
    long = replace(EXCHANGE, model="m" * 5000, tool_names=("t" * 5000, "u"), tool_calls=2, conversation="c" * 5000)
    assert unpacked("agt_1", packed(long)) == replace(
        long, model="m" * 200, tool_names=("t" * 200, "u"), conversation="c" * 200
    )
    many = replace(EXCHANGE, tool_names=tuple(f"tool_{n}" for n in range(1000)), tool_calls=1000)
    assert len(unpacked("agt_1", packed(many)).tool_names) == 64


def test_cost_adds_up_without_a_rest() -> None:
    assert nanodollars(replace(EXCHANGE, cost_usd=0.1 + 0.2)) == 300_000_000
    assert nanodollars(EXCHANGE) == 0


def test_an_exchange_is_packed_once_for_all_who_write_it() -> None:
    packing, one, other = Packing(), EXCHANGE, replace(EXCHANGE, status=500)
    assert packing(one) is packing(one)
    assert packing(other) == packed(other)
    assert packing(one) == packed(one)
