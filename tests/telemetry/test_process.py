"""The process about itself."""

import asyncio
import time

from gateway.telemetry.instruments import Point
from gateway.telemetry.process import Process, open_descriptors, resident_bytes


def test_memory_and_descriptors_are_those_of_this_process() -> None:
    before = open_descriptors()
    with open(__file__):
        assert open_descriptors() == before + 1
    assert 1_000_000 < resident_bytes() < 100_000_000_000


async def test_a_blocked_loop_shows() -> None:
    process = Process(time.monotonic, tick=0.001)
    watching = asyncio.create_task(process.watch())
    await asyncio.sleep(0)
    time.sleep(0.1)
    while not lag(process):
        await asyncio.sleep(0)
    watching.cancel()
    assert lag(process)[0].value > 0.09


def test_every_number_is_there() -> None:
    measured = [instrument.family() for instrument in Process(time.monotonic).instruments()]
    assert [family.name for family in measured if not family.points] == ["leuko.event_loop.lag"]  # none measured yet


def lag(process: Process) -> tuple[Point, ...]:
    return next(iter(process.instruments())).family().points
