"""How often steps of intents are used: exact, over all replicas and all that was narrowed."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.intents.claims import IntentClaims, Step, TokenProblem
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.intent_uses import MOST_INTENTS, IntentUses, TooManyIntents, Use
from tests.support.redis import RedisServer


def claims(*steps: Step, jti: str = "int_1", **more: Any) -> IntentClaims:
    now = int(time.time())
    return IntentClaims(jti, "agt_1", None, steps, now, now + 80_000, now, **more)


def use(step: str, claim: str = "req_1/0/0", digests: tuple[str, ...] = ("d1",)) -> Use:
    return Use(step, claim, f"dec {claim}", digests)


ONE = claims(Step("s1", "restart", max_uses=1))
MANY = claims(Step("s1", "read", max_uses=3), Step("s2", "restart", max_uses=3, after=("s1",)))


async def words(*tries: Any) -> list[str]:
    found = await asyncio.gather(*tries, return_exceptions=True)
    return [one.word if isinstance(one, TokenProblem) else "used" for one in found]


@pytest.fixture
async def uses(connection: Connection) -> IntentUses:
    return IntentUses(connection)


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[IntentUses, IntentUses]]:
    one, other = (Connection(redis_url, op_timeout=20) for _ in range(2))
    yield IntentUses(one), IntentUses(other)
    await one.close()
    await other.close()


async def test_of_a_thousand_presentations_of_a_single_use_step_exactly_one_is_a_use(
    pair: tuple[IntentUses, IntentUses],
) -> None:
    await pair[0].open(ONE)
    found = await words(*(pair[at % 2].use(ONE, [use("s1", f"req_{at}/0/0")]) for at in range(1000)))
    assert (found.count("used"), found.count("uses_exhausted")) == (1, 999)


async def test_the_same_claim_is_one_use_however_often_it_is_said(pair: tuple[IntentUses, IntentUses]) -> None:
    await pair[0].open(ONE)
    assert await words(*(pair[at % 2].use(ONE, [use("s1")]) for at in range(50))) == ["used"] * 50
    assert (await pair[1].used(ONE)).counts == {"s1": 1}


async def test_all_calls_of_a_turn_are_used_or_none(uses: IntentUses) -> None:
    await uses.open(MANY)
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.use(MANY, [use("s1", str(at)) for at in range(4)])
    assert (await uses.used(MANY)).counts == {"s1": 0, "s2": 0}
    await uses.use(MANY, [use("s1", str(at)) for at in range(3)])
    assert (await uses.used(MANY)).counts == {"s1": 3, "s2": 0}
    await uses.use(MANY, [])


async def test_a_step_waits_for_the_one_before_it_which_may_be_in_the_same_turn(uses: IntentUses) -> None:
    await uses.open(MANY)
    with pytest.raises(TokenProblem, match="step_order: step s2"):
        await uses.use(MANY, [use("s2")])
    await uses.use(MANY, [use("s1", "a"), use("s2", "b")])
    assert (await uses.used(MANY)).counts == {"s1": 1, "s2": 1}


async def test_what_was_released_is_executed_without_a_further_use_and_only_once(uses: IntentUses) -> None:
    await uses.open(ONE)
    await uses.use(ONE, [use("s1", digests=("anywhere",))])
    waiting = await uses.used(ONE, ["here", "anywhere"])
    assert (waiting.counts, waiting.released) == ({"s1": 1}, {"s1": 1})
    assert await uses.join(ONE, use("s1", "mcp_1", ("here", "anywhere"))) is True
    assert await uses.join(ONE, use("s1", "mcp_1", ("here", "anywhere"))) is True  # said twice
    assert (await uses.used(ONE, ["anywhere"])).released == {"s1": 0}
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.join(ONE, use("s1", "mcp_2", ("here", "anywhere")))


async def test_what_nobody_released_uses_a_step_when_it_is_executed(uses: IntentUses) -> None:
    await uses.open(ONE)
    assert await uses.join(ONE, use("s1", "mcp_1")) is False
    assert (await uses.used(ONE, ["d1"])).released == {"s1": 0}
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.use(ONE, [use("s1", "req_2/0/0")])


async def test_other_arguments_than_those_released_join_nothing(uses: IntentUses) -> None:
    await uses.open(ONE)
    await uses.use(ONE, [use("s1", digests=("d1",))])
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.join(ONE, use("s1", "mcp_1", ("d2",)))


async def test_two_equal_released_calls_are_executed_twice(uses: IntentUses) -> None:
    await uses.open(MANY)
    await uses.use(MANY, [use("s1", "a"), use("s1", "b")])
    assert (await uses.used(MANY, ["d1"])).released == {"s1": 2, "s2": 0}
    joined = [await uses.join(MANY, use("s1", f"mcp_{at}")) for at in range(3)]
    assert joined == [True, True, False]


async def test_what_was_narrowed_shares_the_counters_of_all_it_comes_from(uses: IntentUses) -> None:
    root = claims(Step("s1", "read", max_uses=3))
    child = claims(Step("s1", "read", max_uses=2), jti="int_2", parents=("int_1",))
    other = claims(Step("s1", "read", max_uses=2), jti="int_3", parents=("int_1",))
    grandchild = claims(Step("s1", "read", max_uses=2), jti="int_4", parents=("int_1", "int_2"))
    for one in (root, child, other, grandchild):
        await uses.open(one)
    await uses.use(grandchild, [use("s1", "a")])
    assert [(await uses.used(one)).counts["s1"] for one in (root, child, other, grandchild)] == [1, 1, 0, 1]
    await uses.use(child, [use("s1", "b")])
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.use(grandchild, [use("s1", "c")])
    await uses.use(other, [use("s1", "d")])
    with pytest.raises(TokenProblem, match="uses_exhausted"):
        await uses.use(other, [use("s1", "e")])
    assert [(await uses.used(one)).counts["s1"] for one in (root, child, other, grandchild)] == [3, 2, 1, 1]


async def test_the_order_of_what_it_comes_from_holds_for_what_was_narrowed(uses: IntentUses) -> None:
    child = claims(Step("s2", "restart"), jti="int_2", parents=("int_1",))
    await uses.open(MANY)
    await uses.open(child)
    with pytest.raises(TokenProblem, match="step_order"):
        await uses.use(child, [use("s2")])
    await uses.use(MANY, [use("s1", "a")])
    await uses.use(child, [use("s2")])


async def test_a_step_that_somebody_used_who_shares_the_counts_is_done(uses: IntentUses) -> None:
    child = claims(Step("s1", "read"), Step("s2", "restart", after=("s1",)), jti="int_2", parents=("int_1",))
    await uses.open(MANY)
    await uses.open(child)
    assert (await uses.used(child)).done == frozenset()
    await uses.use(MANY, [use("s1", "a")])
    found = await uses.used(child)
    assert (found.counts, found.done) == ({"s1": 0, "s2": 0}, {"s1"})
    await uses.use(child, [use("s2")])


async def test_a_step_may_wait_for_one_that_only_its_parent_has(uses: IntentUses) -> None:
    child = claims(Step("s2", "restart", after=("s1",)), jti="int_2", parents=("int_1",))
    grandchild = claims(Step("s2", "restart", after=("s1",)), jti="int_3", parents=("int_1", "int_2"))
    for one in (MANY, child, grandchild):
        await uses.open(one)
    assert await words(uses.use(grandchild, [use("s2")]), uses.use(child, [use("s2")])) == ["step_order"] * 2
    assert (await uses.used(grandchild)).done == frozenset()
    await uses.use(MANY, [use("s1", "a")])
    assert (await uses.used(grandchild)).done == {"s1"}
    await uses.use(grandchild, [use("s2")])
    assert (await uses.used(child)).done == {"s1", "s2"}


async def test_nothing_comes_from_an_intent_that_is_not_counted_or_lacks_the_step(uses: IntentUses) -> None:
    child = claims(Step("s1", "read"), jti="int_2", parents=("int_1",))
    with pytest.raises(TokenProblem, match="revoked"):
        await uses.open(child)
    await uses.open(ONE)
    with pytest.raises(TokenProblem, match="revoked"):
        await uses.open(claims(Step("s9", "read"), jti="int_2", parents=("int_1",)))


async def test_as_many_intents_as_may_be_come_from_one(uses: IntentUses) -> None:
    await uses.open(ONE)
    for at in range(MOST_INTENTS - 1):
        await uses.open(claims(Step("s1", "read"), jti=f"int_c{at}", parents=("int_1",)))
    last = claims(Step("s1", "read"), jti="int_cx", parents=("int_1",))
    with pytest.raises(TooManyIntents):
        await uses.open(last)


async def test_opening_it_again_forgets_no_use(uses: IntentUses) -> None:
    await uses.open(ONE)
    await uses.use(ONE, [use("s1")])
    await uses.open(ONE)
    assert (await uses.used(ONE)).counts == {"s1": 1}


async def test_counts_end_a_minute_after_the_intent(uses: IntentUses, connection: Connection) -> None:
    await uses.open(ONE)
    await uses.use(ONE, [use("s1")])
    left = await connection.execute("TTL", connection.keys.uses("int_1"))
    assert abs(ONE.expires + 60 - time.time() - left) < 5


async def test_what_redis_lost_cannot_be_used(uses: IntentUses, connection: Connection) -> None:
    await uses.open(ONE)
    await connection.execute("FLUSHALL")
    assert await words(uses.use(ONE, [use("s1")]), uses.join(ONE, use("s1")), uses.used(ONE)) == ["revoked"] * 3


async def test_without_redis_nothing_can_be_used(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    uses = IntentUses(connection)
    await uses.open(ONE)
    own_redis.kill()
    for tried in (uses.use(ONE, [use("s1")]), uses.join(ONE, use("s1")), uses.used(ONE), uses.open(ONE)):
        with pytest.raises(StoreUnavailable):
            await tried
    await connection.close()


async def test_a_reply_that_is_lost_makes_no_second_use(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.3)
    uses = IntentUses(connection)
    await uses.open(ONE)
    own_redis.freeze()
    pending = asyncio.create_task(uses.use(ONE, [use("s1")]))
    await asyncio.sleep(0.35)  # longer than a call may take: the first try has given up
    own_redis.thaw()
    await asyncio.gather(pending, return_exceptions=True)
    patient = IntentUses(Connection(own_redis.url, op_timeout=5))
    await patient.use(ONE, [use("s1")])
    assert (await patient.used(ONE)).counts == {"s1": 1}
    await connection.close()
    await patient._connection.close()


class Model:
    """What the counts of a family of intents have to be."""

    def __init__(self, family: dict[str, IntentClaims]) -> None:
        self.family = family
        self.used: Counter[tuple[str, str]] = Counter()
        self.released: Counter[tuple[str, str, str]] = Counter()
        self.known: dict[tuple[str, str, str], bool] = {}

    def take(self, claims: IntentClaims, uses: Sequence[Use], executed: bool) -> str:
        """`used`, `joined` or the word against it; nothing is changed then."""
        used, released, known = self.used.copy(), self.released.copy(), dict(self.known)
        joined = False
        for one in uses:
            if (claims.jti, one.step, one.claim) in known:
                joined = known[claims.jti, one.step, one.claim]
                continue
            waiting = [name for name in one.digests if released[claims.jti, one.step, name]] if executed else []
            joined = bool(waiting)
            if waiting:
                released[claims.jti, one.step, waiting[0]] -= 1
            else:
                word = self._problem(claims, one, used)
                if word is not None:
                    return word
                for jti in (claims.jti, *claims.parents):
                    used[jti, one.step] += 1
                if not executed:
                    released[claims.jti, one.step, one.digests[0]] += 1
            known[claims.jti, one.step, one.claim] = joined
        self.used, self.released, self.known = used, released, known
        return "joined" if joined and executed else "used"

    def _problem(self, claims: IntentClaims, one: Use, used: Counter[tuple[str, str]]) -> str | None:
        step = next(step for step in claims.steps if step.id == one.step)
        for jti in (claims.jti, *claims.parents):
            most = next(each.max_uses for each in self.family[jti].steps if each.id == one.step)
            if used[jti, one.step] >= most:
                return "uses_exhausted"
        return None if all(used[claims.root, other] for other in step.after) else "step_order"


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_tried_the_counts_are_those_of_the_model(uses: IntentUses, seed: int) -> None:
    chosen = random.Random(seed)
    steps = [(name, chosen.randint(1, 6)) for name in ("a", "b", "c")]

    def narrowed(jti: str, *parents: str) -> IntentClaims:
        made = [
            Step(name, "t", max_uses=chosen.randint(1, most), after=("a",) if name == "b" else ())
            for name, most in steps
        ]
        return claims(*made, jti=jti, parents=parents)

    root = claims(*(Step(name, "t", max_uses=most, after=("a",) if name == "b" else ()) for name, most in steps))
    family = {"int_1": root, "int_2": narrowed("int_2", "int_1"), "int_3": narrowed("int_3", "int_1", "int_2")}
    for one in family.values():
        await uses.open(one)
    model = Model(family)
    for _ in range(120):
        intent, executed = family[chosen.choice(list(family))], chosen.random() < 0.4
        wanted = [
            use(
                chosen.choice("abc"),
                f"c{chosen.randint(1, 60)}",
                tuple(chosen.sample(["d1", "d2"], chosen.randint(1, 2))),
            )
            for _ in range(1 if executed else chosen.randint(1, 3))
        ]
        expected = model.take(intent, wanted, executed)
        try:
            if executed:
                found = "joined" if await uses.join(intent, wanted[0]) else "used"
            else:
                await uses.use(intent, wanted)
                found = "used"
        except TokenProblem as problem:
            found = problem.word
        assert found == expected
    for jti, intent in family.items():
        counted = await uses.used(intent, ["d1", "d2"])
        assert counted.counts == {name: model.used[jti, name] for name, _ in steps}
        waiting = {name: model.released[jti, name, "d1"] + model.released[jti, name, "d2"] for name, _ in steps}
        assert counted.released == waiting
