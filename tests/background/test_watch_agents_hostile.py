"""What hostile agents and providers leave for the watchers keeps nobody else from being watched."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.immune.finding import Finding
from gateway.immune.record import Record
from gateway.immune.settings import Immune
from gateway.model.lifecycle import Life
from gateway.store.keys import PARTITIONS, partition_of
from tests.background.test_watch_agents import caught_up
from tests.background.watching import Replica, call, loop, watching
from tests.support.waiting import until


def of_partition(place: int, start: int = 0) -> list[str]:
    """Some ids of agents of one part."""
    return [id for id in (f"agt_{number}" for number in range(start, start + 400)) if partition_of(id) == place]


POISON: dict[str, dict[str, Any]] = {
    "negative cost": {"cost_usd": -5.0},
    "negative tokens": {"output_tokens": -50, "input_tokens": -9},
    "no number": {"cost_usd": float("nan"), "latency_ms": float("inf")},
    "huge": {"input_tokens": 10**400, "output_tokens": 10**400, "cost_usd": 1e308},
    "other types": {"latency_ms": "fast", "tool_calls": None, "status": 200},
    "surrogates": {"model": "\ud800", "conversation": "\udfff" * 100, "prompt_hash": "\ud800"},
    "megabyte": {"model": "m" * 2**20, "tool_names": ("t" * 2**20,), "tool_calls": 1},
    "future": {"latency_ms": 1e308},
}


@pytest.mark.parametrize("members", POISON.values(), ids=POISON)
async def test_no_exchange_keeps_others_from_being_watched(redis_url: str, members: dict[str, Any]) -> None:
    bad, good = of_partition(3)[:2]
    async with watching(redis_url) as one:
        for place in range(60):
            one.feed.vitals(call(bad, place))
        for place in range(60, 70):
            one.feed.vitals(replace(call(bad, place), **members))
        one.feed.vitals(replace(call(bad, 70), time=1e12, **members))
        one.feed.vitals(replace(call(bad, 71), time=-1e12))
        one.feed.vitals(call(bad, 72))
        for place in range(40):
            one.feed.vitals(call(good, place))
        await caught_up(one, good, 40)
        assert (await one.record(good)).life.state == "HEALTHY"
        assert (await one.record(bad)).state.calls >= 61


async def test_no_finding_or_order_keeps_others_from_being_watched(redis_url: str) -> None:
    bad, good = of_partition(3)[:2]
    async with watching(redis_url) as one:
        for place in range(40):
            one.feed.vitals(call(bad, place))
        await caught_up(one, bad, 40)
        one.feed.finding(Finding("of_a_newer_version", "m", None, time.time(), bad, "req", hard=True))  # type: ignore[arg-type]
        one.feed.finding(Finding("tool_loop", "m", None, time.time(), bad, "req", detail={"tool": "\ud800"}))
        for order in ({}, {"do": 5, "form": None}, {"do": ["x"]}):
            one.feed.order(bad, order)
        key = one.connection.keys.watch(3, "feed")
        await one.told()
        await one.connection.execute("XADD", key, "*", "other", "cells")
        await one.connection.execute("XADD", key, "*", "a", bad, b"v", b"[]")
        await one.connection.execute("XADD", key, "*", "a", b"\xff", b"v", b"{}")
        for place in range(40):
            one.feed.vitals(call(good, place))
        await caught_up(one, good, 40)
        one.feed.finding(loop(bad))
        await one.told()
        await until(lambda: bad in one.quarantine.blocked)


async def test_an_agent_that_cannot_be_healed_keeps_nobody_else_from_being_watched(redis_url: str) -> None:
    bad, good = of_partition(3)[:2]
    async with watching(redis_url, runs=False) as one:

        async def look(record: Record, life: Life, settings: Immune) -> None:
            raise KeyError("a remedy of another version")

        one.healing.look = look  # type: ignore[method-assign]
        await one.quarantine.block(bad, "for a test", "adk_1")
        duty = asyncio.create_task(one.watch.run())
        try:
            for place in range(40):
                one.feed.vitals(call(good, place))
            await caught_up(one, good, 40)
        finally:
            duty.cancel()
            await asyncio.gather(duty, return_exceptions=True)


async def test_a_throttle_that_a_replica_decided_before_it_was_stopped_is_taken_away(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(80):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 80)
        await one.prescriptions.throttle("agt_1", "what another replica saw long ago")
        one.feed.vitals(call("agt_1", 80))
        await one.told()
        await until(lambda: one.prescriptions.case("agt_1") is None)


async def run_for_a_while(one: Replica, *, agents: list[str]) -> None:
    duty = asyncio.create_task(one.watch.run())
    try:
        await asyncio.gather(*(caught_up(one, agent_id, 40) for agent_id in agents))
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)


async def test_however_many_agents_are_blocked_all_others_are_watched(redis_url: str) -> None:
    """Each look asks Redis, which may be far away: all of them together take longer than a lease."""
    async with watching(redis_url, runs=False) as one:

        async def look(record: Record, life: Life, settings: Immune) -> None:
            await asyncio.sleep(0.02)

        one.healing.look = look  # type: ignore[method-assign]
        for place in range(PARTITIONS):
            for agent_id in of_partition(place, 10_000)[:25]:
                await one.quarantine.block(agent_id, "for a test", "adk_1")
        good = [of_partition(place)[0] for place in range(PARTITIONS)]
        for agent_id in good:
            for place in range(40):
                one.feed.vitals(call(agent_id, place))
        await run_for_a_while(one, agents=good)


async def test_however_long_findings_take_what_was_done_is_kept(redis_url: str) -> None:
    bad, good = of_partition(3)[:2]
    async with watching(redis_url, runs=False) as one:
        found = one.act.found

        async def slow(*about: Any) -> None:
            await asyncio.sleep(0.015)
            await found(*about)

        one.act.found = slow  # type: ignore[method-assign]
        one.feed.vitals(call(bad, 0))
        for _ in range(400):
            one.feed.finding(loop(bad, hard=False))
        for place in range(40):
            one.feed.vitals(call(good, place))
        await run_for_a_while(one, agents=[good])
