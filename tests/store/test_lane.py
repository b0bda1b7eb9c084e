import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from gateway.store.errors import StoreUnavailable
from gateway.store.lane import Argument, Call, Lane
from gateway.store.links import Links
from gateway.store.scripts import load_scripts
from tests.support.redis import RedisServer


def lane_to(url: str) -> Lane:
    return Lane(Links(url, connect_timeout=1).open, mark="t")


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    lane = lane_to(redis_url)
    await lane.open()
    yield lane
    await lane.close()


def call(*command: Argument, **extra: Any) -> Call:
    return Call(command, asyncio.get_running_loop().create_future(), 0.0, **extra)


async def test_replies_come_in_the_order_of_the_calls(lane: Lane) -> None:
    replies = await lane.carry([call("ECHO", "a"), call("FOO"), call("INCR", "n")])
    assert (replies[0], replies[2]) == (b"a", 1)
    assert isinstance(replies[1], ResponseError)


async def test_a_reply_without_its_tag_closes_the_link(lane: Lane) -> None:
    script = load_scripts()["read_hash"]
    good = call("EVALSHA", script.digest, 1, "k", tag=b"k", whole=("EVAL", script.source, 1, "k"))
    assert await lane.carry([good]) == [[b"k"]]
    for command in (("ECHO", "k"), ("LRANGE", "none", 0, -1), ("EVALSHA", script.digest, 1, "other")):
        await lane.open()
        with pytest.raises(StoreUnavailable, match="another key"):
            await lane.carry([call(*command, tag=b"k")])
        assert not lane.connected


async def test_a_cancelled_batch_closes_the_link_and_the_next_one_is_in_step(own_redis: RedisServer) -> None:
    lane = lane_to(own_redis.url)
    await lane.open()
    own_redis.freeze()
    task = asyncio.create_task(lane.carry([call("ECHO", "first")]))
    while lane.sent_at is None:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not lane.connected
    own_redis.thaw()
    await lane.open()
    assert await lane.carry([call("ECHO", "second")]) == [b"second"]
    await lane.close()


async def test_an_expired_batch_is_a_time_out(own_redis: RedisServer) -> None:
    lane = lane_to(own_redis.url)
    await lane.open()
    lane.expire()
    own_redis.freeze()
    task = asyncio.create_task(lane.carry([call("PING")]))
    while lane.sent_at is None:
        await asyncio.sleep(0)
    lane.expire()
    lane.expire()
    with pytest.raises(StoreUnavailable) as caught:
        await task
    assert (caught.value.reason, caught.value.sent) == ("timeout", True)
    assert not lane.connected
    await lane.close()


async def test_a_link_with_something_left_over_is_replaced(lane: Lane) -> None:
    link, stream = lane._link, lane._stream
    assert link is not None and stream is not None
    await link.send_command("ECHO", "left")
    async with asyncio.timeout(5):
        while stream.intact:
            await asyncio.sleep(0.001)
    await lane.open()
    assert lane._link is not link
    assert await lane.carry([call("ECHO", "a")]) == [b"a"]


async def test_a_refreshed_lane_opens_another_link(lane: Lane) -> None:
    link = lane._link
    await lane.open()
    assert lane._link is link
    lane.refresh()
    await lane.open()
    assert lane._link is not link


async def test_a_user_without_echo_is_told_so(own_redis: RedisServer) -> None:
    own_redis.ask("ACL", "SETUSER", "leuko", "on", ">secret", "~*", "+@all", "-echo")
    lane = lane_to(own_redis.url.replace("unix://", "unix://leuko:secret@"))
    await lane.open()
    with pytest.raises(StoreUnavailable, match="refused.*echo") as caught:
        await lane.carry([call("PING")])
    assert isinstance(caught.value.__cause__, NoPermissionError)
    await lane.close()


async def test_a_wrong_password_is_unavailable_and_named(own_redis: RedisServer) -> None:
    lane = lane_to(own_redis.url.replace("unix://", "unix://leuko:wrong@"))
    with pytest.raises(StoreUnavailable) as caught:
        await lane.open()
    assert (caught.value.reason, caught.value.sent) == ("wrongpass", False)
    await lane.close()


async def test_a_peer_that_is_no_redis_is_unavailable() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    lane = lane_to(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/1")
    with pytest.raises(StoreUnavailable):
        await lane.open()
    await lane.close()
    server.close()
    await server.wait_closed()
