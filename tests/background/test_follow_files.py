import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from gateway.background.follow_files import follow_files


async def reloads(states: Sequence[int], fails: bool = False, loaded: int | None = None) -> list[int]:
    """At which looks `reload` was called."""
    looks: list[int] = []
    done = asyncio.Event()
    called: list[int] = []

    def look() -> int:
        looks.append(1)
        if len(looks) > len(states):
            done.set()
            return states[-1]
        return states[len(looks) - 1]

    async def reload() -> None:
        called.append(len(looks))
        if fails:
            raise RuntimeError("a defect")

    duty = asyncio.create_task(follow_files("The files", look, reload, loaded=loaded, every=0))
    async with asyncio.timeout(10):
        await done.wait()
    duty.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await duty
    return called


async def test_a_change_is_taken_over_once_it_stands_still() -> None:
    assert await reloads([1, 1, 2, 3, 3, 3, 3]) == [5]


async def test_without_a_change_nothing_is_read() -> None:
    assert await reloads([1, 1, 1, 1]) == []


async def test_a_change_that_is_taken_back_is_none() -> None:
    assert await reloads([1, 2, 1, 1, 1]) == []


async def test_what_changed_between_the_start_and_the_first_look_is_taken_over() -> None:
    assert await reloads([2, 2, 2, 2], loaded=1) == [2]


async def test_a_defect_met_in_one_change_does_not_keep_the_next_from_being_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await reloads([1, 2, 2, 3, 3, 3], fails=True) == [3, 5]
    assert caplog.text.count("could not be read again") == 2
