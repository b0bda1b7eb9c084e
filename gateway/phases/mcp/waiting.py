"""Lets a caller see that its call lives while people think about it: the answer begins, as a stream of comments."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.model.verdict import Ruling
from gateway.phases.mcp.state import MCPState, state_of
from gateway.wire.mcp import Era, error_event
from gateway.wire.mcp_stream import HEARTBEAT

QUIET_SECONDS = 5.0
"""After which an answer begins before there is anything to say."""
_EVERY_SECONDS = 15.0
_HEADERS: Headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


async def kept_alive(
    exchange: Exchange, ruling: Callable[[], Awaitable[Ruling]], *, quiet: float = QUIET_SECONDS
) -> Ruling:
    """The ruling. Sets `begun` of the state once the answer has begun; what is refused from then on is told in it.

    Only the handshake era needs it, and a caller that reads streams: the stateless one asks again (see `rounds`).
    """
    state = state_of(exchange)
    if not _may_begin(exchange, state):
        return await ruling()
    over = asyncio.Event()
    speaking: list[asyncio.Task[None]] = []
    timer = asyncio.get_running_loop().call_later(
        quiet, lambda: speaking.append(asyncio.ensure_future(_speak(exchange, state, over)))
    )
    try:
        return await ruling()
    finally:
        timer.cancel()
        over.set()
        for task in speaking:
            await task


def _may_begin(exchange: Exchange, state: MCPState) -> bool:
    accepted = exchange.request.fields.get(b"accept", b"").lower()
    alone = state.body is not None and not state.body.batch
    return state.caller is not None and state.era is Era.HANDSHAKE and alone and b"text/event-stream" in accepted


async def _speak(exchange: Exchange, state: MCPState, over: asyncio.Event) -> None:
    caller, ids = state.caller, [asked.id for asked in state.calls]
    assert caller is not None

    def in_band(refusal: Refusal) -> bytes:
        return error_event(refusal, ids)

    state.begun, exchange.in_band, exchange.streaming, exchange.status = True, in_band, True, 200
    try:
        await caller.start(200, list(_HEADERS))
        while not over.is_set():
            await caller.write(HEARTBEAT)
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await over.wait()
            except TimeoutError:
                continue
    except ClientGone:
        exchange.client_gone()
