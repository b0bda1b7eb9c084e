"""Which exchange is over its time."""

import asyncio

import pytest

from gateway.background.watch_deadlines import check, watch_deadlines
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from tests.model.test_exchange import Task, exchange


def waiting(kind: str, seconds: float) -> Exchange:
    one = exchange(Task())
    one.wait_for(kind, seconds, now=100.0)
    return one


@pytest.mark.parametrize(("kind", "says"), [("first_byte", "did not begin"), ("idle", "in the middle")])
def test_an_exchange_that_stands_still_too_long_is_ended_with_a_timeout(kind: str, says: str) -> None:
    one = waiting(kind, 5)
    check(one, 105.0)
    assert one.interruption is None
    check(one, 105.1)
    assert isinstance(one.interruption, Refusal)
    assert (one.interruption.code, says in one.interruption.message) == ("upstream_timeout", True)


def test_an_exchange_that_moves_has_its_time_again() -> None:
    one = waiting("idle", 5)
    one.touched = 104.0
    check(one, 108.0)
    assert one.interruption is None


def test_the_whole_exchange_has_a_deadline_however_it_moves() -> None:
    one = waiting("idle", 5)
    one.deadline, one.touched = 200.0, 200.0
    check(one, 200.1)
    assert isinstance(one.interruption, Refusal)


def test_an_exchange_within_its_time_may_use_the_tick() -> None:
    one, ticks = waiting("idle", 5), []
    one.on_tick = ticks.append
    check(one, 101.0)
    assert ticks == [101.0]


async def test_the_watcher_looks_at_every_active_exchange() -> None:
    one = waiting("idle", 5)
    ended = asyncio.Event()
    one.task.cancel = lambda: ended.set() or True  # type: ignore[method-assign]
    watcher = asyncio.create_task(watch_deadlines({one}, lambda: 1000.0, tick=0.001))
    async with asyncio.timeout(5):
        await ended.wait()
    watcher.cancel()
