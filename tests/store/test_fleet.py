import asyncio
import math

import pytest

from gateway.immune.fleet import AtWork, Group
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.fleet import Fleet
from tests.store.test_watch_partitions import Clock
from tests.support.redis import RedisServer

NOW = 1_700_000_000.0
GPT: Group = ("openai", "gpt-5")
CLAUDE: Group = ("anthropic", "claude")


def make(connection: Connection) -> Fleet:
    return Fleet(connection, clock=Clock(NOW))


def at_work(active: set[str], alarming: set[str], known: set[str] | None = None) -> AtWork[set[str]]:
    return AtWork(active, alarming, alarming if known is None else known)


def agents(count: int, begin: int = 0) -> set[str]:
    return {f"agt_{number}" for number in range(begin, begin + count)}


async def test_replicas_see_together_who_was_at_work_and_who_alarmed_in_the_last_minute(connection: Connection) -> None:
    one, other = make(connection), make(connection)
    nobody = {GPT: at_work(set(), set())}
    assert await one.seen({GPT: at_work(agents(3), agents(1), set())}) == {GPT: (3, 1, 0)}
    both = {GPT: at_work(agents(3, 2), agents(2), {"agt_1"}), CLAUDE: at_work(agents(1), set())}
    assert await other.seen(both, NOW + 30) == {GPT: (5, 2, 1), CLAUDE: (1, 0, 0)}
    assert await other.seen(nobody, NOW + 60) == {GPT: (5, 2, 1)}
    assert await other.seen(nobody, NOW + 61) == {GPT: (5, 2, 1)}
    assert await other.seen(nobody, NOW + 91) == {GPT: (0, 0, 0)}
    assert await other.seen({}) == {}


async def test_what_is_kept_of_a_group_is_bounded_and_goes(connection: Connection) -> None:
    fleet = make(connection)
    for begin in range(0, 6000, 500):
        counts = await fleet.seen({GPT: at_work(agents(500, begin), agents(500, begin))}, NOW + begin / 1000)
    assert counts == {GPT: (2000, 2000, 2000)}
    many: dict[Group, AtWork[set[str]]] = {("p", f"m{n}"): at_work(agents(1), set()) for n in range(300)}
    assert len(await fleet.seen(many)) == 200
    keys = await connection.execute("KEYS", "*{fleet}*")
    assert keys and all([0 < await connection.execute("TTL", key) <= 120 for key in keys])
    assert not any(b"gpt-5" in key for key in keys)


async def test_a_provider_is_the_cause_from_when_it_was_first_said_until_it_is_over(connection: Connection) -> None:
    one, other = make(connection), make(connection)
    assert await one.external() == {}
    since = NOW + 0.1234567
    assert await one.set_external(GPT, since, since + 60) == since
    assert await other.set_external(GPT, NOW + 30, NOW + 90) == since
    assert await other.set_external(GPT, NOW + 40, NOW + 50) == since
    assert await one.external() == {GPT: (since, NOW + 90)}
    assert await one.set_external(GPT, NOW + 91, NOW + 151) == NOW + 91
    await other.set_external(("p\ud800", "m" * 999), NOW, NOW + 1)
    (odd,) = set(await one.external()) - {GPT}
    assert odd == ("p?", "m" * 200)
    for group in (GPT, odd):
        await one.end_external(group)
    assert await other.external() == {}


async def test_so_many_providers_are_no_news(connection: Connection) -> None:
    fleet = make(connection)
    for number in range(200):
        await fleet.set_external(("p", f"m{number}"), NOW, NOW + 60)
    assert await fleet.set_external(GPT, NOW, NOW + 60) == math.inf
    assert await fleet.set_external(("p", "m7"), NOW + 1, NOW + 61) == NOW


async def test_not_more_agents_are_blocked_on_statistics_than_may_be(connection: Connection) -> None:
    one, other = make(connection), make(connection)
    blocked = agents(3)
    assert await one.reserve_sigma("agt_x", 4, blocked)
    assert not await other.reserve_sigma("agt_y", 4, blocked)
    assert await other.reserve_sigma("agt_x", 4, blocked), "it is the same one"
    assert await other.reserve_sigma("agt_0", 1, blocked), "it is blocked"
    assert await other.reserve_sigma("agt_y", 5, {*blocked, "agt_x"})
    assert not await one.reserve_sigma("agt_z", 5, {*blocked, "agt_x", "agt_y"})
    assert not await one.reserve_sigma("agt_z", 0, ())


async def test_of_many_at_once_only_as_many_as_may_be(connection: Connection) -> None:
    fleets = [make(connection) for _ in range(10)]
    answers = await asyncio.gather(*(fleet.reserve_sigma(f"agt_{n}", 3, ()) for n, fleet in enumerate(fleets)))
    assert sum(answers) == 3


async def test_without_redis_nobody_is_blocked_on_statistics(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    fleet = make(connection)
    own_redis.kill()
    assert not await fleet.reserve_sigma("agt_1", 10, ())
    assert await fleet.reserve_sigma("agt_1", 10, ("agt_1",))
    for asked in (fleet.external(), fleet.set_external(GPT, 1.0, 2.0), fleet.seen({GPT: at_work(agents(1), set())})):
        with pytest.raises(StoreUnavailable):
            await asked
    await connection.close()
