"""Providers that send more than anybody can hold: the caller gets an error, and memory stays bounded."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.world import MIB, Peak, Pool, Relay, address, chat, pulse, request
from tests.support.chat_streams import chunk, part
from tests.support.raw_http import Response
from tests.support.upstream import Conversation, Request

JSON = [("content-type", "application/json")]
GZIP = ("content-encoding", "gzip")
TEXT = chunk({"content": "word"})
ARGUMENTS = "x" * 60_000


async def keep_sending(talk: Conversation, data: bytes, times: int) -> None:
    for _ in range(times):
        if talk.client_gone.is_set():
            return
        await talk.chunk(data)


async def a_bomb(talk: Conversation) -> None:
    await talk.start(200, [*JSON, GZIP])
    await talk.chunk(gzip.compress(b" " * 200_000_000))
    await talk.end()


async def a_gigabyte(talk: Conversation) -> None:
    await talk.start(200, JSON)
    await keep_sending(talk, b" " * MIB, 1024)


async def a_bomb_in_a_stream(talk: Conversation) -> None:
    await talk.start(200, [("content-type", "text/event-stream"), GZIP])
    await talk.chunk(gzip.compress(TEXT + b": " + b"0" * 200_000_000))
    await talk.end()


async def an_event_without_end(talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(TEXT + b"data: ")
    await keep_sending(talk, b"x" * MIB, 50)


async def a_line_without_end(talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(TEXT)
    await keep_sending(talk, b"data: x\n" * 100_000, 60)


async def a_call_without_end(talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(TEXT + chunk(part(name="f", id="call_1")))
    await keep_sending(talk, chunk(part(arguments=ARGUMENTS)), 1000)


FLOODS: dict[str, tuple[Callable[[Conversation], Awaitable[None]], bool, int]] = {
    "a bomb": (a_bomb, False, 24),
    "a gigabyte": (a_gigabyte, False, 96),
    "a bomb in a stream": (a_bomb_in_a_stream, True, 24),
    "an event without end": (an_event_without_end, True, 32),
    "an event of endless lines": (a_line_without_end, True, 32),
    "a call without end": (a_call_without_end, True, 24),
}
"""What is sent, whether into a stream that has begun, and the MiB that the gateway may take for it."""


def check(said: Response, stream: bool) -> None:
    if stream:
        assert (said.status, said.whole) == (200, True)
        assert said.body.startswith(TEXT) or said.body.startswith(b'data: {"error"')
        assert b'"code":"upstream_invalid"' in said.body.split(b"\n\n")[-2]
        assert b"[DONE]" not in said.body
    else:
        assert (said.status, said.json()["error"]["code"]) == (502, "upstream_invalid")


@pytest.mark.parametrize("flood", list(FLOODS))
async def test_more_than_anybody_can_hold_becomes_an_error(flood: str, relay: Relay) -> None:
    send, stream, bound = FLOODS[flood]

    async def provider(request: Request, talk: Conversation) -> None:
        await send(talk)

    relay.says(provider)
    peak = Peak(relay.gateway.pid)
    async with Pool(address(relay.gateway)) as pool, pulse(relay.gateway) as felt, asyncio.timeout(30):
        said = await relay.ask(pool, request(document=chat("m", stream=stream)))
    assert peak.grown < bound * MIB
    assert felt.worst < 2
    await relay.settled()
    check(said, stream)
