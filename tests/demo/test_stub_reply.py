import asyncio

import pytest

from gateway.demo.stub_reply import StubReply
from gateway.model.errors import Refusal


async def test_chunks_are_the_frames_and_then_nothing() -> None:
    reply = StubReply(200, [], [(b"one", True), (b"two", False)])
    assert [await reply.chunk() for _ in range(4)] == [b"one", b"two", b"", b""]


async def test_the_rest_is_read_whole() -> None:
    reply = StubReply(200, [], [(b"one", True), (b"two", False), (b"three", False)])
    await reply.chunk()
    assert await reply.read(8) == b"twothree"


async def test_more_than_the_limit_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        await StubReply(200, [], [(b"12345", False)]).read(4)
    assert refused.value.code == "upstream_invalid"


async def test_a_closed_reply_says_nothing_more() -> None:
    reply = StubReply(200, [], [(b"one", False)])
    reply.close()
    with pytest.raises(Refusal):
        await reply.chunk()


async def test_other_tasks_run_between_frames() -> None:
    reply, ran = StubReply(200, [], [(b"x", False)] * 3), []
    task = asyncio.ensure_future(asyncio.sleep(0))
    task.add_done_callback(lambda _: ran.append(True))
    await reply.read(10)
    assert ran
