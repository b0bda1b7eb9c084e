"""Reservations against a real Redis."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.bounds import BUDGETS, LIMITS, Bound
from gateway.policy.claim import Claim
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.limits import Granted, Limits, Refused, Reservation
from gateway.store.scripts import ScriptCall
from tests.support.redis import RedisServer

WHO = "default:agent:agt_1"


@pytest.fixture
def limits(connection: Connection) -> Limits:
    return Limits(connection, clock=time.monotonic)


def claim(name: str, most: int, base: float = 1, per: float = 0, who: str = WHO) -> Claim:
    kind = {**LIMITS, **BUDGETS}[name]
    return Claim(Bound(name, kind, most, name in BUDGETS), who, "default", base, per)


async def ask(
    limits: Limits, number: object, *claims: Claim, wanted: int = 0, least: int = 0
) -> tuple[Reservation, Granted | Refused]:
    reservation = limits.open(f"req_{number}", claims, "conv")
    return reservation, await limits.reserve(reservation, wanted=wanted, least=least)


async def settle(limits: Limits, reservation: Reservation, *used: int) -> None:
    limits.settle(reservation, used)
    assert await limits.flush()


async def left(limits: Limits, one: Claim) -> int:
    """What a claim of nothing finds."""
    _, found = await ask(limits, f"look{time.monotonic_ns()}", Claim(one.bound, one.subject, "default", 0))
    assert isinstance(found, Granted)
    return found.left[0]


@pytest.mark.parametrize("name", [*LIMITS, *BUDGETS])
async def test_exactly_as_many_pass_as_are_allowed_however_many_ask_at_once(limits: Limits, name: str) -> None:
    answers = await asyncio.gather(*(ask(limits, n, claim(name, 7)) for n in range(50)))
    assert sum(isinstance(answer, Granted) for _, answer in answers) == 7


async def test_a_refusal_says_which_bound_and_when_the_minute_has_room_again(limits: Limits) -> None:
    rate, day = claim("requests_per_minute", 1), claim("tokens_per_day", 100, 5)
    _, first = await ask(limits, 1, day, rate)
    assert first == Granted(0, (95, 0))
    _, second = await ask(limits, 2, day, rate)
    assert isinstance(second, Refused)
    assert (second.claim, second.used) == (rate, 1)
    assert 55 < second.wait <= 60
    assert await left(limits, day) == 95, "a refused exchange takes nothing from any bound"


async def test_output_tokens_are_granted_as_far_as_every_budget_reaches(limits: Limits) -> None:
    tokens, usd = claim("tokens_per_day", 1000, 100, 1), claim("usd_per_month", 5000, 500.5, 7.5)
    reservation, found = await ask(limits, 1, tokens, usd, wanted=4000, least=16)
    assert found == Granted(599, (301, 7))  # 4,499.5 nanodollars last for 599 tokens
    await settle(limits, reservation, 150, 800)
    assert (await left(limits, tokens), await left(limits, usd)) == (850, 4200)


async def test_what_leaves_too_little_output_is_refused(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 115, 100, 1)
    assert isinstance((await ask(limits, 1, tokens, wanted=4000, least=16))[1], Refused)
    assert (await ask(limits, 2, tokens, wanted=15, least=16))[1] == Granted(15, (0,))


async def test_use_takes_the_place_of_what_was_set_aside_once(limits: Limits) -> None:
    tokens, rate = claim("tokens_per_minute", 1000, 600), claim("requests_per_minute", 5)
    reservation, _ = await ask(limits, 1, tokens, rate)
    for used in ((40, 1), (400, 1), (0, 0)):
        await settle(limits, reservation, *used)
    assert (await left(limits, tokens), await left(limits, rate)) == (960, 4)


async def test_what_was_never_sent_is_given_back(limits: Limits) -> None:
    claims = [claim(name, 100, 10) for name in ("tokens_per_minute", "requests_per_minute", "usd_per_day")]
    reservation, _ = await ask(limits, 1, *claims)
    await settle(limits, reservation, 0, 0, 0)
    assert [await left(limits, one) for one in claims] == [100, 100, 100]


@pytest.mark.parametrize("name", ["tokens_per_minute", "tool_calls_per_minute", "tool_calls_per_conversation"])
async def test_use_for_which_nothing_was_set_aside_counts_too(limits: Limits, name: str) -> None:
    one = claim(name, 100, 0)
    reservation, _ = await ask(limits, 1, one)
    await settle(limits, reservation, 7)
    assert await left(limits, one) == 93


async def test_unknown_use_leaves_what_was_set_aside(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 100, 60)
    reservation, _ = await ask(limits, 1, tokens)
    await settle(limits, reservation, -1)
    assert await left(limits, tokens) == 40


async def test_more_use_than_was_set_aside_is_a_debt(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 100, 60)
    reservation, _ = await ask(limits, 1, tokens)
    await settle(limits, reservation, 250)
    assert await left(limits, tokens) == -150
    assert isinstance((await ask(limits, 2, tokens))[1], Refused)


async def test_asking_twice_for_one_exchange_counts_once(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 100, 60)
    again = [(await ask(limits, 1, tokens))[1] for _ in range(3)]
    assert again == [Granted(0, (40,))] * 3


async def test_a_reservation_that_comes_after_its_settlement_counts_nothing(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 100, 60)
    reservation = limits.open("req_1", (tokens,), None)
    await settle(limits, reservation, 5)
    await limits.reserve(reservation, wanted=0, least=0)
    assert await left(limits, tokens) == 100


async def test_the_minute_slides_and_forgets_amounts_one_by_one(limits: Limits, shared_redis: RedisServer) -> None:
    tokens = claim("tokens_per_minute", 100, 40)
    await ask(limits, 1, tokens)
    await ask(limits, 2, tokens)
    key = limits._connection.keys.minute("tokens", WHO)
    (first, score) = await limits._connection.execute("ZRANGE", key, 0, 0, "WITHSCORES")
    await limits._connection.execute("ZADD", key, int(score) - 61_000_000, first)  # as if a minute had passed for it
    assert await left(limits, tokens) == 60
    await limits._connection.execute("DEL", key)  # as when it runs out
    assert await left(limits, tokens) == 100


async def test_calls_of_an_answer_count_from_when_they_are_known(limits: Limits) -> None:
    calls = claim("tool_calls_per_minute", 10, 1)
    reservation, _ = await ask(limits, 1, calls)
    key = limits._connection.keys.minute("tool_calls", WHO)
    await limits._connection.execute("DEL", key)  # the answer took more than a minute
    await settle(limits, reservation, 4)
    assert await left(limits, calls) == 7  # all but the one that was counted when it was asked
    reservation, _ = await ask(limits, 2, calls)
    await settle(limits, reservation, 0)
    assert await left(limits, calls) == 7


@pytest.mark.parametrize("name", ["tokens_per_day", "tokens_per_month"])
async def test_a_new_day_or_month_begins_with_nothing_used(limits: Limits, name: str) -> None:
    tokens = claim(name, 100, 60)
    reservation, _ = await ask(limits, 1, tokens)
    counts = limits._connection.keys.counts(WHO)
    await limits._connection.execute("HINCRBY", counts, f"{name}:at", -1)  # it was yesterday
    assert await left(limits, tokens) == 100
    await ask(limits, 2, tokens)
    open_key = limits._connection.keys.reservation("req_1")
    held = (await limits._connection.execute("GET", open_key)).split()
    held[2], held[3] = str(int(held[2]) - 1), str(int(held[3]) - 1)
    await limits._connection.execute(
        "SET", open_key, b" ".join(map(lambda v: v if type(v) is bytes else v.encode(), held))
    )
    await settle(limits, reservation, 10)
    assert await left(limits, tokens) == 40, "what yesterday did not use is of no use today"


async def test_months_are_those_of_the_calendar(limits: Limits) -> None:
    await ask(limits, 1, claim("tokens_per_month", 100))
    now = time.gmtime(int((await limits._connection.execute("TIME"))[0]))
    stamp = int(await limits._connection.execute("HGET", limits._connection.keys.counts(WHO), "tokens_per_month:at"))
    assert stamp == (now.tm_year * 12 + now.tm_mon - 1) - 2  # counted from a March


async def test_a_lease_ends_with_the_exchange_or_by_itself(limits: Limits) -> None:
    one = claim("concurrent", 1)
    reservation, _ = await ask(limits, 1, one)
    assert isinstance((await ask(limits, 2, one))[1], Refused)
    await settle(limits, reservation, 1)
    reservation, found = await ask(limits, 3, one)
    assert isinstance(found, Granted)
    key = limits._connection.keys.leases(WHO)
    await limits._connection.execute("ZADD", key, 1, "req_3")  # its process died long ago
    assert isinstance((await ask(limits, 4, one))[1], Granted)


async def test_a_lease_is_renewed_while_the_exchange_is_under_way(limits: Limits) -> None:
    reservation, _ = await ask(limits, 1, claim("concurrent", 1))
    key = limits._connection.keys.leases(WHO)
    soon = 10**17
    await limits._connection.execute("ZADD", key, soon, "req_1")
    await limits._renew()
    renewed = int(await limits._connection.execute("ZSCORE", key, "req_1"))
    assert renewed < soon
    await settle(limits, reservation, 1)
    await limits._renew()
    assert await limits._connection.execute("EXISTS", key) == 0


async def test_every_key_runs_out(limits: Limits) -> None:
    claims = [claim(name, 1000) for name in (*LIMITS, *BUDGETS)]
    reservation, _ = await ask(limits, 1, *claims)

    async def lives() -> list[int]:
        names = await limits._connection.execute("KEYS", "*")
        return [await limits._connection.execute("TTL", name) for name in names]

    assert len(await lives()) == 7
    assert min(await lives()) > 0
    await settle(limits, reservation, *[1] * len(claims))
    assert min(await lives()) > 0


async def test_what_was_used_while_redis_was_lost_is_told_when_it_is_back(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.2)
    limits = Limits(connection, clock=time.monotonic)
    tokens = claim("tokens_per_day", 100, 60)
    reservation, _ = await ask(limits, 1, tokens)
    running = asyncio.create_task(limits.run())
    own_redis.kill()
    limits.settle(reservation, (10,))
    with pytest.raises(StoreUnavailable):
        await ask(limits, 2, tokens)
    own_redis.start()
    async with asyncio.timeout(10):
        while limits.queued:
            await asyncio.sleep(0.01)
    assert await left(limits, tokens) == 90
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await connection.close()


async def test_what_redis_refuses_of_one_settlement_does_not_stop_the_others(limits: Limits) -> None:
    tokens = claim("tokens_per_day", 100, 20)
    held = [(await ask(limits, n, tokens))[0] for n in range(3)]
    key = limits._connection.keys.reservation("req_1")
    await limits._connection.execute("DEL", key)
    await limits._connection.execute("HSET", key, "of", "another type")
    for reservation in held:
        limits.settle(reservation, (1,))
    assert await limits.flush()
    assert (limits.queued, limits.dropped) == (0, 1)
    assert await left(limits, tokens) == 100 - 20 - 2


async def test_bounds_of_other_documents_with_the_same_names_stay_apart(limits: Limits) -> None:
    claims = [claim("tokens_per_minute", 100, 20, who=f"d:agent:{n}") for n in "ab"]
    held = [(await ask(limits, n, one))[0] for n, one in enumerate(claims)]
    await settle(limits, held[0], 5)
    assert [await left(limits, one) for one in claims] == [95, 80]


class Stalled:
    """A connection whose first answers come too late, after `seconds` on the clock."""

    def __init__(self, connection: Connection, times: int, seconds: float) -> None:
        self._connection, self.keys, self.known_scripts = connection, connection.keys, connection.known_scripts
        self.times, self.seconds, self.now = times, seconds, 0.0

    async def submit(self, call: ScriptCall) -> object:
        found = await self._connection.submit(call)
        if self.times:
            self.times -= 1
            self.now += self.seconds
            return StoreUnavailable("timeout")
        return found


@pytest.mark.parametrize(("times", "seconds", "answered"), [(3, 0.3, True), (4, 0.3, False), (1, 0.05, False)])
async def test_a_process_that_stood_still_asks_again_and_counts_once(
    connection: Connection, limits: Limits, times: int, seconds: float, answered: bool
) -> None:
    stalled = Stalled(connection, times, seconds)
    slow = Limits(stalled, clock=lambda: stalled.now)  # type: ignore[arg-type]
    tokens = claim("tokens_per_day", 100, 60)
    if answered:
        assert (await ask(slow, 1, tokens))[1] == Granted(0, (40,))
    else:
        with pytest.raises(StoreUnavailable):
            await ask(slow, 1, tokens)
    assert await left(limits, tokens) == 40


async def test_a_late_answer_is_asked_for_again_where_redis_answered_others_meanwhile(connection: Connection) -> None:
    stalled = Stalled(connection, 0, 0)
    slow = Limits(stalled, clock=lambda: stalled.now)  # type: ignore[arg-type]
    late = asyncio.create_task(ask(slow, 1, claim("tokens_per_day", 100, 60)))
    stalled.times, stalled.seconds = 1, 0.06
    await asyncio.sleep(0)
    slow._heard = 0.03
    assert isinstance((await late)[1], Granted)


async def test_settlements_without_end_are_given_up_and_counted(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.limits._MOST_QUEUED", 1)
    for n in range(3):
        limits.settle(limits.open(f"req_{n}", (), None), ())
    assert (limits.queued, limits.dropped) == (1, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=12))
async def test_what_is_left_is_always_the_limit_less_what_was_used(
    limits: Limits, steps: list[tuple[int, int, bool]]
) -> None:
    mark = time.monotonic_ns()
    names = ("tokens_per_minute", "tokens_per_day", "tokens_per_month")
    spent = 0
    for n, (base, used, settled) in enumerate(steps):
        claims = [claim(name, 100, base, who=f"w{mark}") for name in names]
        reservation, found = await ask(limits, f"{mark}-{n}", *claims)
        assert isinstance(found, Granted) == (base == 0 or spent + base <= 100)
        if isinstance(found, Granted):
            spent += used if settled else base
            if settled:
                await settle(limits, reservation, used, used, used)
    for name in names:
        assert await left(limits, claim(name, 100, who=f"w{mark}")) == 100 - spent
