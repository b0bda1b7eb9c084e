"""What agents did, read and were given lately, for every replica."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.model.transcript import Said, Transcript
from gateway.policy.verdict import Count
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.memory import TAINT_SECONDS, ActionMemory
from tests.support.redis import RedisServer

SECRET = b"a secret of the deployment"
DAILY = Count("ops:sum:send_money:amount", 0, 2000, "day", "ops/tools/send_money/amount", "too much a day")


def _memory(connection: Connection) -> ActionMemory:
    return ActionMemory(connection, SECRET)


@pytest.fixture
def memory(connection: Connection) -> ActionMemory:
    return _memory(connection)


def _money(amount: float, limit: float | None = 2000, period: str = "day") -> Count:
    return Count(DAILY.key, amount, limit, period, DAILY.rule, DAILY.reason)


async def test_an_agent_without_a_past_has_done_nothing(memory: ActionMemory) -> None:
    known = await memory.load("agt_1", None, [DAILY])
    assert (known.last(DAILY.key), known.spent(DAILY.key), known.tainted("eve@evil.example")) == (None, 0.0, False)
    assert (known.spent("another"), known.last("another")) == (0.0, None)


async def test_amounts_add_up_to_the_limit_and_no_further(memory: ActionMemory, connection: Connection) -> None:
    assert await memory.count("agt_1", None, [_money(1500.25)]) is None
    assert await memory.count("agt_1", None, [_money(499.75)]) is None
    assert await memory.count("agt_1", None, [_money(0.000001)]) == _money(0.000001)
    assert await memory.count("agt_2", None, [_money(2000)]) is None, "another agent"
    other = await _memory(connection).load("agt_1", None, [DAILY])
    assert other.spent(DAILY.key) == 2000 and abs((other.last(DAILY.key) or 0) - time.time()) < 60


async def test_several_counts_are_all_made_or_none(memory: ActionMemory) -> None:
    full = Count("other", 2, 1, "month", "ops/tools/x/y")
    assert await memory.count("agt_1", None, [_money(1000), _money(900), full]) == full
    assert (await memory.load("agt_1", None, [DAILY])).spent(DAILY.key) == 0
    assert await memory.count("agt_1", None, [_money(1000), _money(1000), _money(1)]) == _money(1)
    assert await memory.count("agt_1", None, []) is None


async def test_two_replicas_never_spend_the_same_rest(redis_url: str) -> None:
    connections = [Connection(redis_url, op_timeout=10) for _ in range(2)]
    replicas = [_memory(connection) for connection in connections]
    answers = await asyncio.gather(*(replicas[n % 2].count("agt_1", "c", [_money(7)]) for n in range(400)))
    assert sum(answer is None for answer in answers) == 2000 // 7
    assert (await replicas[0].load("agt_1", "c", [DAILY])).spent(DAILY.key) == 7 * (2000 // 7)
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), 1e300, 10**40])
async def test_what_cannot_be_counted_has_no_room(memory: ActionMemory, amount: float) -> None:
    assert await memory.count("agt_1", None, [_money(amount)]) is not None
    assert await memory.count("agt_1", None, [_money(amount, limit=None)]) is None


async def test_amounts_below_zero_make_no_room(memory: ActionMemory) -> None:
    assert await memory.count("agt_1", None, [_money(2000)]) is None
    assert await memory.count("agt_1", None, [_money(-1000)]) is None
    assert await memory.count("agt_1", None, [_money(1)]) is not None


async def test_a_tenth_ten_times_is_one(memory: ActionMemory) -> None:
    answers = [await memory.count("agt_1", None, [_money(0.1, 1)]) for _ in range(11)]
    assert [answer is None for answer in answers] == [True] * 10 + [False]


async def test_conversations_are_apart_and_periods_too(memory: ActionMemory) -> None:
    assert await memory.count("agt_1", "one", [_money(5, 5, "conversation")]) is None
    assert await memory.count("agt_1", "one", [_money(5, 5, "conversation")]) is not None
    assert await memory.count("agt_1", "two", [_money(5, 5, "conversation")]) is None
    for period in ("hour", "day", "month"):
        assert await memory.count("agt_1", "one", [_money(5, 5, period)]) is None
        assert await memory.count("agt_1", "two", [_money(1, 5, period)]) is not None


@pytest.mark.parametrize("period", ["hour", "day", "month", "conversation"])
async def test_a_period_that_is_over_counts_no_more(memory: ActionMemory, connection: Connection, period: str) -> None:
    await memory.count("agt_1", "c", [_money(5, 5, period)])
    key = connection.keys.acts("agt_1") if period != "conversation" else None
    if key is None:
        (key,) = [name.decode() async for name in _keys(connection) if b"acts:" in name]
    stamp, amount, last = (await connection.execute("HGET", key, f"{period}:{DAILY.key}")).split()
    assert amount == b"5000000" and 2_700_000 < await connection.execute("TTL", key) <= 32 * 86_400
    if period == "conversation":
        return
    await connection.execute("HSET", key, f"{period}:{DAILY.key}", b"%d %s %s" % (int(stamp) - 1, amount, last))
    known = await memory.load("agt_1", "c", [_money(0, 5, period)])
    assert known.spent(DAILY.key) == 0 and known.last(DAILY.key) is not None
    assert await memory.count("agt_1", "c", [_money(5, 5, period)]) is None


async def _keys(connection: Connection) -> AsyncIterator[bytes]:
    for key in (await connection.execute("SCAN", "0", "COUNT", "1000"))[1]:
        yield key


async def test_of_a_sequence_only_the_time_counts(memory: ActionMemory, connection: Connection) -> None:
    after = Count("ops:sequence:0")
    assert await memory.count("agt_1", None, [after]) is None
    known = await _memory(connection).load("agt_1", "any conversation", [after])
    assert abs((known.last(after.key) or 0) - time.time()) < 60 and known.spent(after.key) == 0


async def test_names_of_rules_that_are_gone_do_not_pile_up(memory: ActionMemory, connection: Connection) -> None:
    key = connection.keys.acts("agt_1")
    await connection.execute("HSET", key, *[part for n in range(1200) for part in (f"day:old{n}", "1 1 1")])
    await memory.count("agt_1", None, [_money(1)])
    assert await connection.execute("HLEN", key) == 1


async def test_what_was_read_is_known_to_every_replica_for_an_hour(
    memory: ActionMemory, connection: Connection
) -> None:
    await memory.remember("agt_1", "s", ["eve@evil.example"])
    await memory.remember("agt_1", "s", ["mal@evil.example"])
    other = _memory(connection)
    known = await other.load("agt_1", "s")
    assert known.tainted("eve@evil.example") and known.tainted("Mal@Evil.example")
    assert not known.tainted("ann@example.com")
    assert not (await other.load("agt_1", "another")).tainted("eve@evil.example")
    assert not (await other.load("agt_2", "s")).tainted("eve@evil.example")
    assert (await other.load("agt_2", "c", session="s")).tainted("eve@evil.example") is False
    assert (await other.load("agt_1", "c", session="s")).tainted("eve@evil.example")
    names = [name async for name in _keys(connection) if b"taint" in name]
    assert len(names) == 1 and b"evil" not in names[0]
    assert TAINT_SECONDS - 60 < await connection.execute("TTL", names[0]) <= TAINT_SECONDS
    assert await connection.execute("STRLEN", names[0]) == 32 * 1024


async def test_too_much_to_tell_taints_everything(memory: ActionMemory) -> None:
    await memory.remember("agt_1", "s", None)
    assert (await memory.load("agt_1", "s")).tainted("whatever it is")


def _read(text: str, call_id: str | None = "c1") -> Transcript:
    return Transcript((Said("user", "Read it to ann@example.com."), Said("tool", text, "fetch_page", call_id)))


async def test_results_are_read_once(memory: ActionMemory, connection: Connection) -> None:
    options: dict[str, Any] = {"untrusted": ("fetch_page",)}
    await memory.note_results("agt_1", "s", _read("eve@evil.example ann@example.com"), **options)
    await memory.note_results("agt_1", "s", _read("eve@evil.example ann@example.com"), **options)
    await memory.note_results("agt_1", "s", _read("second@evil.example", "c2"), **options)
    long = " ".join(f"word-{number}" for number in range(600))
    await memory.note_results("agt_1", "s", _read(f"third@evil.example {long}", None), **options)
    await memory.note_results("agt_1", "t", _read("x"), untrusted=())
    await memory.note_results("agt_1", "s", _read("again@evil.example", "c2"), **options)
    known = await memory.load("agt_1", "s")
    assert all(known.tainted(f"{who}@evil.example") for who in ("eve", "second", "third", "again"))
    assert not known.tainted("ann@example.com")


async def test_what_redis_has_lost_is_read_again(memory: ActionMemory, connection: Connection) -> None:
    options: dict[str, Any] = {"untrusted": ("fetch_page",)}
    await memory.note_results("agt_1", "s", _read("eve@evil.example"), **options)
    await connection.execute("FLUSHALL")
    assert not (await memory.load("agt_1", "s")).tainted("eve@evil.example")
    await memory.note_results("agt_1", "s", _read("eve@evil.example"), **options)
    assert (await memory.load("agt_1", "s")).tainted("eve@evil.example")


async def test_of_sessions_a_bounded_number_is_kept_in_mind(memory: ActionMemory) -> None:
    for number in range(2100):
        await memory.note_results("agt_1", f"s{number}", _read("x"), untrusted=())
    assert len(memory._results) == 2000


async def test_without_redis_nothing_is_guessed(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url)
    memory = _memory(connection)
    own_redis.kill()
    for asking in (
        memory.load("agt_1", None, [DAILY]),
        memory.count("agt_1", None, [DAILY]),
        memory.remember("agt_1", "s", ["eve@evil.example"]),
        memory.note_results("agt_1", "s", _read("eve@evil.example"), untrusted=("fetch_page",)),
    ):
        with pytest.raises(StoreUnavailable):
            await asking
    await connection.close()
