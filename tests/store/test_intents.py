"""Intents that were minted: found, listed, and said what became of them."""

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.intents.claims import IntentClaims, Step, TokenProblem
from gateway.store.call_tokens import CallTokens, ReleasedCall
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.grants import Grants
from gateway.store.intent_uses import TooManyIntents, Use
from gateway.store.intents import MOST_OF_AGENT, Intent, Intents
from gateway.store.results_seen import ResultsSeen
from tests.store.test_control import replica
from tests.support.redis import RedisServer
from tests.support.redis_sets import ClusterSet


def intent(jti: str = "int_1", agent_id: str = "agt_1", *, life: float = 900, **more: Any) -> Intent:
    now = int(time.time())
    steps = (
        Step("s1", "read", "cloud", constraints={"path": {"path_in": ["/srv/**"]}}, max_uses=2),
        Step("s2", "restart", arguments={"service": "web"}, after=("s1",)),
    )
    claims = IntentClaims(jti, agent_id, "kim", steps, now, now + life, now, policy="p", **more)
    return Intent(claims, "tidy up", agent_id)


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Intents, Intents]]:
    async with replica(redis_url) as one, replica(redis_url) as other:
        yield (
            Intents(one._connection, one, clock=time.time),
            Intents(other._connection, other, clock=time.time),
        )


Pair = tuple[Intents, Intents]


async def test_an_intent_is_known_on_every_replica_as_it_was_minted(pair: Pair) -> None:
    one, other = pair
    made = intent(parents=())
    await one.save(made)
    assert await other.get("int_1") == made and made.intent_id == "int_1"
    assert await other.get("int_9") is None
    assert await other.standing(made) == ("active", {"s1": 0, "s2": 0})


async def test_what_becomes_of_it_is_told(pair: Pair) -> None:
    one, other = pair
    made = intent()
    await one.save(made)
    uses = [Use("s1", "a", "dec_1", ("d",)), Use("s1", "b", "dec_2", ("d",)), Use("s2", "c", "dec_3", ("e",))]
    await one.use(made.claims, uses[:2])
    assert await other.standing(made) == ("active", {"s1": 2, "s2": 0})
    await other.use(made.claims, uses[2:])
    assert (await one.standing(made))[0] == "exhausted"
    assert await one.join(made.claims, Use("s2", "mcp", "dec_4", ("e",)))
    assert await one.revoke(made) == []
    assert (await other.standing(made))[0] == "revoked" and other.is_revoked(made.claims)
    assert await other.revoke(made) == []
    over = intent("int_2", life=0)
    assert other.status(over, None) == "expired" and await other.revoke(over) == []


async def test_an_intent_that_ended_while_a_model_answered_releases_nothing(pair: Pair) -> None:
    one, other = pair
    revoked, over = intent(), intent("int_2", life=0)
    await one.save(revoked)
    await one.save(over)
    await other.revoke(revoked)
    long_over = replace(over.claims, expires=over.claims.expires - 6)
    for claims, word in ((revoked.claims, "revoked"), (long_over, "expired")):
        with pytest.raises(TokenProblem, match=word):
            await one.use(claims, [Use("s1", "a", "dec_1", ("d",))])
        with pytest.raises(TokenProblem, match=word):
            await one.join(claims, Use("s1", "b", "dec_1", ("d",)))
    assert (await one.used(revoked.claims)).counts["s1"] == 0


async def test_the_newest_stand_first_and_pages_follow_each_other(pair: Pair) -> None:
    one, other = pair
    for at in range(5):
        await one.save(intent(f"int_{at}", f"agt_{at % 2}"))
    found, cursor = await other.page(limit=3)
    assert [each.intent_id for each in found] == ["int_4", "int_3", "int_2"] and cursor is not None
    rest, end = await other.page(limit=3, cursor=cursor)
    assert [each.intent_id for each in rest] == ["int_1", "int_0"] and end is None
    own, _ = await other.page("agt_1")
    assert [each.intent_id for each in own] == ["int_3", "int_1"]
    with pytest.raises(ValueError, match="cursor"):
        await other.page(cursor="nonsense")


async def test_records_last_an_hour_longer_than_intents(pair: Pair) -> None:
    one, _ = pair
    await one.save(intent())
    left = await one._connection.execute("TTL", one._connection.keys.intent("int_1"))
    assert 900 + 3600 - 60 < left <= 900 + 3600


async def test_an_agent_has_so_many_at_a_time(pair: Pair) -> None:
    one, _ = pair
    key, end = one._connection.keys.intents_made("agt_1"), (time.time() + 900) * 1000
    places = [part for at in range(MOST_OF_AGENT) for part in (end, f"int_x{at}")]
    await one._connection.execute("ZADD", key, *places)
    with pytest.raises(TooManyIntents, match="1000 intents"):
        await one.save(intent())
    assert await one.get("int_1") is None
    await one.save(intent("int_2", "agt_2"))


async def test_saving_what_comes_from_nothing_that_is_known_is_refused(pair: Pair) -> None:
    with pytest.raises(TokenProblem, match="revoked"):
        await pair[0].save(intent("int_2", parents=("int_1",)))


async def test_what_redis_lost_is_revoked(pair: Pair) -> None:
    one, other = pair
    made = intent()
    await one.save(made)
    await one._connection.execute("FLUSHALL")
    assert await other.standing(made) == ("revoked", {})


async def test_without_redis_revocations_hold_and_nothing_else_is_said(own_redis: RedisServer) -> None:
    async with replica(own_redis.url, op_timeout=0.5) as control:
        intents = Intents(Connection(own_redis.url, op_timeout=0.5), control, clock=time.time)
        made = intent()
        await intents.save(made)
        await intents.revoke(made)
        own_redis.kill()
        assert intents.is_revoked(made.claims)
        for tried in (intents.get("int_1"), intents.save(made), intents.standing(made), intents.page()):
            with pytest.raises(StoreUnavailable):
                await tried
        await intents._connection.close()


async def test_they_work_on_a_cluster(shared_cluster: ClusterSet) -> None:
    async with replica(shared_cluster.url) as one, replica(shared_cluster.url) as other:
        here, there = (Intents(each._connection, each, clock=time.time) for each in (one, other))
        jti = f"int_{secrets.token_hex(4)}"
        made = intent(jti, f"agt_{jti}")
        child = Intent(replace(made.claims, jti=f"{jti}c", parents=(jti,)), "a part", made.made_by)
        await here.save(made)
        await there.save(child)
        await there.use(child.claims, [Use("s1", "a", "dec_1", ("d",))])
        assert await here.join(child.claims, Use("s1", "b", "dec_2", ("x", "d"))) is True
        assert await here.standing(made) == ("active", {"s1": 1, "s2": 0})
        assert child in (await there.page(made.made_by))[0]
        grants, calls = Grants(one._connection), CallTokens(other._connection, clock=time.time)
        await grants.mint(made.made_by, ["d1", "d2"])
        assert await Grants(other._connection).consume(made.made_by, ["d0", "d2"])
        await calls.save(made.made_by, [ReleasedCall("c1", "read", None, "h", "dec_1")])
        assert await calls.get(made.made_by, "c1", audience="tools")
        seen = ResultsSeen(one._connection, clock=time.monotonic)
        await seen.note(made.made_by, "monday")
        assert await seen.any(made.made_by, None)
        await here.revoke(made)
        assert there.is_revoked(child.claims)


async def test_all_of_an_agent_are_revoked_at_once(pair: Pair) -> None:
    one, other = pair
    mine, another = intent(), intent("int_2", "agt_2")
    await one.save(mine)
    await one.save(another)
    assert await one.revoke_all("agt_1") == []
    assert other.is_revoked(mine.claims) and not other.is_revoked(another.claims)
