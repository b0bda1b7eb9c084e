"""Stopping without breaking answers."""

import asyncio
import json

import pytest

from gateway.edge import drain
from gateway.edge.drain import Drain
from gateway.model.errors import Refusal
from gateway.phases.timeouts import Timeouts
from tests.model.test_exchange import Task, exchange
from tests.support.path import running_path
from tests.support.upstream import ScriptedUpstream
from tests.test_pipeline import ASK, CHAT, hang_before_the_head, hang_in_the_stream


async def test_streams_and_whole_answers_end_in_their_own_way_when_their_time_is_over() -> None:
    timeouts = Timeouts(drain_whole=1.05, drain_stream=1.1)
    async with (
        ScriptedUpstream([hang_before_the_head, hang_in_the_stream]) as upstream,
        running_path(upstream.url, timeouts=timeouts) as path,
    ):
        whole = asyncio.create_task(path.client.post(CHAT, json=ASK))
        await upstream.arrived(1)
        stream = asyncio.create_task(path.client.post(CHAT, json={**ASK, "stream": True}))
        await upstream.arrived(2)
        async with asyncio.timeout(10):
            while not any(e.streaming for e in path.pipeline.active):
                await asyncio.sleep(0)
        path.server.stop()
        refused, cut = await whole, await stream
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_draining")
    assert refused.headers["connection"] == "close"
    last = json.loads(cut.text.split("\n\n")[-2].removeprefix("data: "))
    assert last["error"]["code"] == "gateway_draining"
    assert "[DONE]" not in cut.text


async def test_each_kind_of_answer_has_its_own_time_less_a_second_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_POLL_SECONDS", 0)
    now, whole, stream = [100.0], exchange(Task()), exchange(Task())
    stream.streaming = True
    active = {whole, stream}
    draining = asyncio.create_task(
        Drain(active, whole_seconds=30, stream_seconds=300, clock=lambda: now[0]).drain(),
    )
    ended = []
    for seconds in (0, 28.9, 29, 298.9, 299):
        now[0] = 100 + seconds
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append((whole.interruption is not None, stream.interruption is not None))
    assert ended == [(False, False)] * 2 + [(True, False)] * 2 + [(True, True)]
    active.clear()
    await draining


async def test_a_second_signal_leaves_answers_one_second() -> None:
    now, active = [0.0], {exchange(Task())}
    stopping = Drain(active, whole_seconds=1e9, stream_seconds=1e9, clock=lambda: now[0])
    stopping.on_draining()
    assert stopping.draining
    draining = asyncio.create_task(stopping.drain())
    await asyncio.sleep(0)
    (one,) = active
    assert one.interruption is None
    stopping.hurry()
    now[0] = 1.0
    async with asyncio.timeout(10):
        while one.interruption is None:
            await asyncio.sleep(0.01)
        assert isinstance(one.interruption, Refusal)
        active.clear()
        await draining
