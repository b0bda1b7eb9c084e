import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError

from gateway.store.errors import StoreUnavailable
from gateway.store.links import Links
from gateway.store.reply_stream import ReplyStream, replies_of
from tests.support.redis import RedisServer


class Sink(asyncio.WriteTransport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += bytes(data)


async def asked(count: int) -> tuple[ReplyStream, "asyncio.Task[list[Any]]"]:
    stream = ReplyStream(Sink())
    task = asyncio.create_task(stream.ask([b"a", b"b"], count))
    await asyncio.sleep(0)
    return stream, task


async def test_replies_may_come_in_any_pieces() -> None:
    answer = b"+OK\r\n*2\r\n$1\r\na\r\n:7\r\n-NOSCRIPT none\r\n"
    for cut in range(1, len(answer)):
        stream, task = await asked(3)
        stream.data_received(answer[:cut])
        assert not stream.intact
        stream.data_received(answer[cut:])
        ok, found, error = await task
        assert (ok, found, type(error)) == (b"OK", [b"a", 7], NoScriptError)
        assert stream.intact


@pytest.mark.parametrize("answer", [b"+OK\r\n+more\r\n", b"+OK\r\n+", b"?what\r\n"])
async def test_what_nobody_asked_for_breaks_it_for_good(answer: bytes) -> None:
    stream, task = await asked(1)
    stream.data_received(answer)
    with pytest.raises(Exception):  # noqa: B017 - whatever the parser says
        await task
    assert not stream.intact
    with pytest.raises(Exception):  # noqa: B017
        await stream.ask([b"a"], 1)


async def test_data_without_a_question_breaks_it() -> None:
    stream = ReplyStream(Sink())
    assert stream.intact
    stream.data_received(b"+OK\r\n")
    with pytest.raises(StoreUnavailable, match="nobody asked"):
        await stream.ask([b"a"], 1)


async def test_a_server_that_loads_its_data_is_no_connection() -> None:
    stream, task = await asked(1)
    stream.data_received(b"-LOADING Redis is loading the dataset in memory\r\n")
    with pytest.raises(Disconnected):
        await task


@pytest.mark.parametrize("how", ["eof", "lost"])
async def test_who_waits_hears_of_the_end(how: str) -> None:
    stream, task = await asked(1)
    if how == "eof":
        stream.eof_received()
    else:
        stream.connection_lost(None)
    with pytest.raises(Disconnected):
        await task
    assert not stream.intact


async def test_it_takes_over_an_open_link(shared_redis: RedisServer) -> None:
    link = await Links(shared_redis.url, connect_timeout=5).open()
    stream = await replies_of(link)
    assert await stream.ask([b"PING\r\n", b"ECHO a\r\n"], 2) == [b"PONG", b"a"]
    assert stream.intact
    await link.disconnect(nowait=True)
