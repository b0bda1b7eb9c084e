"""What is done outside of the gateway, while others go on."""

import asyncio

import pytest

from gateway.background.execute_remedies import ExecuteRemedies
from tests.background.healing import Means
from tests.support.waiting import until

ACTIONS = ("control_agent", "restart_container")


class Slow(Means):
    async def do(self, name: str, agent_id: str, incident_id: str) -> None:
        self.did.append((name, agent_id))
        await asyncio.sleep(3600)


async def result(executing: ExecuteRemedies, at: float = 1.0) -> bool:
    done: list[bool | None] = [None]

    def ready() -> bool:
        done[0] = executing.done("agt_1", "inc_1", ACTIONS, at)
        return done[0] is not None

    await until(ready)
    return bool(done[0])


async def test_it_is_begun_by_the_first_question_and_answered_until_it_is_forgotten() -> None:
    means = Means(frozenset({"control_agent"}))
    executing = ExecuteRemedies(means)
    assert executing.targets("agt_1") == {"control_agent"}
    assert executing.done("agt_1", "inc_1", ACTIONS, 1.0) is None
    assert await result(executing) and await result(executing)
    assert means.did == [(name, "agt_1") for name in ACTIONS]
    executing.forget("agt_1")
    assert await result(executing) and len(means.did) == 4
    assert await result(executing, at=2.0) and len(means.did) == 6  # another treatment


async def test_what_fails_is_not_done_and_what_follows_is_not_tried(caplog: pytest.LogCaptureFixture) -> None:
    means = Means(failing=True)
    executing = ExecuteRemedies(means)
    assert not await result(executing)
    assert means.did == [] and "control_agent of agent agt_1 failed" in caplog.text


async def test_what_takes_too_long_has_failed() -> None:
    means = Slow()
    assert not await result(ExecuteRemedies(means, seconds=0.01))
    assert means.did == [("control_agent", "agt_1")]


async def test_what_is_under_way_ends_with_the_gateway() -> None:
    executing = ExecuteRemedies(Slow())
    running = asyncio.create_task(executing.run())
    executing.done("agt_1", "inc_1", ACTIONS, 1.0)
    ((_, task),) = executing._jobs.values()
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert task.cancelled() and not executing._jobs
