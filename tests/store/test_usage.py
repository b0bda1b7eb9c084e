"""What was used, by day and by whom."""

from dataclasses import replace
from datetime import UTC, date, datetime

from gateway.model.agent import Agent
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.stats import Stats
from gateway.store.usage import BY, OTHER, UsageCounter, UsageLog, UsageRecord
from tests.store.test_agents import EXCHANGE
from tests.support.redis import RedisServer

DAY = datetime.fromtimestamp(EXCHANGE.time, UTC).date()
PAID = replace(EXCHANGE, cost_usd=0.0025)


def _row(name: str | None, times: int = 1) -> UsageRecord:
    return UsageRecord(name, times, 0, 100 * times, 20 * times, 10 * times, 5 * times, times, 2_500_000 * times)


async def test_every_exchange_is_counted_in_every_way(connection: Connection) -> None:
    counter = UsageCounter(connection)
    for team, model in (("ops", "gpt-4o"), (None, "gpt-4o"), ("ops", "gpt-5")):
        counter.add(Agent("agt_1", owner_team=team), replace(PAID, model=model))
    assert await counter.flush()
    log = UsageLog(connection)
    found = {by: await log.read(by, DAY, DAY) for by in BY}
    assert found == {
        "agent": [_row("agt_1", 3)],
        "model": [_row("gpt-4o", 2), _row("gpt-5")],
        "provider": [_row("openai", 3)],
        "team": [_row("ops", 2), _row(None)],
    }


async def test_days_are_apart_and_added_up(connection: Connection) -> None:
    counter = UsageCounter(connection)
    for days in (0, 1, 5):
        counter.add(Agent("agt_1"), replace(PAID, time=PAID.time + days * 86_400))
        await counter.flush()
    log = UsageLog(connection)
    assert await log.read("agent", DAY, DAY) == [_row("agt_1")]
    assert await log.read("agent", DAY, date.fromordinal(DAY.toordinal() + 4)) == [_row("agt_1", 2)]
    assert await log.read("agent", DAY, date.fromordinal(DAY.toordinal() + 10_000)) == [_row("agt_1", 3)]


async def test_failures_are_counted_and_name_no_model(connection: Connection) -> None:
    counter = UsageCounter(connection)
    failed = replace(EXCHANGE, status=404, model="made-up", input_tokens=0, output_tokens=0, error_type=None)
    counter.add(Agent("agt_1"), failed)
    await counter.flush()
    (row,) = await UsageLog(connection).read("model", DAY, DAY)
    assert (row.name, row.requests, row.errors) == (OTHER, 1, 1)


async def test_said_twice_is_counted_once(connection: Connection) -> None:
    counter = UsageCounter(connection)
    counter.add(Agent("agt_1"), PAID)
    counter._number, sending = 1, counter._arguments(counter._pending.pop(DAY.isoformat()))
    for _ in range(2):
        counter._sending = DAY.isoformat(), sending
        assert await counter.flush()
    assert await UsageLog(connection).read("agent", DAY, DAY) == [_row("agt_1")]


async def test_names_are_bounded_in_memory(connection: Connection) -> None:
    counter = UsageCounter(connection)
    for number in range(2500):
        counter.add(Agent(f"agt_{number}"), PAID)
    await counter.flush()
    rows = {row.name: row.requests for row in await UsageLog(connection).read("agent", DAY, DAY)}
    assert (len(rows), rows[OTHER], sum(rows.values())) == (2001, 500, 2500)


async def test_a_day_is_kept_for_more_than_a_year_only(connection: Connection) -> None:
    counter = UsageCounter(connection)
    counter.add(Agent("agt_1"), PAID)
    await counter.flush()
    for by in BY:
        assert (
            399 * 86_400 < await connection.execute("TTL", connection.keys.usage(DAY.isoformat(), by)) <= 400 * 86_400
        )


async def test_nothing_is_lost_while_redis_is_away(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=5)
    counter = UsageCounter(connection)
    own_redis.kill()
    counter.add(Agent("agt_1"), PAID)
    assert not await counter.flush()
    counter.add(Agent("agt_1"), PAID)
    own_redis.start()
    again = Connection(own_redis.url, op_timeout=5)
    counter._connection = again
    assert await counter.flush()
    assert await UsageLog(again).read("agent", DAY, DAY) == [_row("agt_1", 2)]
    await connection.close()
    await again.close()


async def test_agents_count_what_they_see(connection: Connection) -> None:
    agents = Agents(connection, clock=lambda: EXCHANGE.time)
    agents.seen(Agent("agt_1"), PAID, ok=True)
    await agents.flush()
    assert await UsageLog(connection).read("agent", DAY, DAY) == [_row("agt_1")]
    assert (await Stats(connection, clock=lambda: EXCHANGE.time).read()).cost == 2_500_000
