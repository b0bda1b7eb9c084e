"""inspect, for MCP: the server's answer on its way to the caller. Events pass as they are, one by one."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers, header_value
from gateway.phases.caller import Caller
from gateway.phases.mcp.forward import Own
from gateway.phases.mcp.identify import SESSION
from gateway.phases.mcp.sessions import Sessions
from gateway.phases.mcp.state import MCPState, state_of
from gateway.upstream.decode import Decoder, decode_answer
from gateway.upstream.headers import response_headers
from gateway.upstream.reply import Reply
from gateway.wire.mcp import RequestId, event_of
from gateway.wire.mcp_stream import HEARTBEAT, Answers, Edit, EventStream, in_one_line
from gateway.wire.strict_json import dumps

_WHOLE_LIMIT = 64 * 1024 * 1024
_HEARTBEAT_SECONDS = 15.0
_NOT_PASSED = frozenset({b"set-cookie", b"www-authenticate", b"content-encoding"})
"""What concerns the gateway and the server only."""


class InspectMCP:
    """Passes an answer on.

    Args:
        clock: monotonic seconds.
        begun: told in memory of every exchange that a server begins to answer with 2xx.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Callable[[], float],
        begun: Callable[[Exchange], None] = lambda exchange: None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._begun = begun

    async def __call__(self, exchange: Exchange, reply: Reply, caller: Caller) -> None:
        state = state_of(exchange)
        exchange.first_byte_at = self._clock()
        if reply.status == 401:  # of the gateway: a caller that took it for its own would begin to ask for tokens there
            raise Refusal(
                "upstream_unavailable",
                f"MCP server `{state.server.name}` does not take the gateway's credential (`api_key_env`).",
            )
        exchange.status = reply.status
        answered = 200 <= reply.status < 300
        if answered:
            self._begun(exchange)
        headers = self._headers(exchange, state, reply.headers)
        kind = (header_value(headers, b"content-type") or b"").lower()
        if answered and kind.startswith(b"text/event-stream"):
            await self._stream(exchange, state, reply, caller, headers)
        else:
            await self._whole(exchange, state, reply, caller, headers)

    def _headers(self, exchange: Exchange, state: MCPState, received: Headers) -> Headers:
        """What the caller gets of the server's headers; the session's id is its own."""
        agent = exchange.agent
        assert agent is not None
        headers = []
        for name, value in response_headers(received):
            if name == SESSION:
                value = self._sessions.seal(state.server.name, agent.agent_id, value)
            if name not in _NOT_PASSED:
                headers.append((name, value))
        return headers

    async def _whole(self, exchange: Exchange, state: MCPState, reply: Reply, caller: Caller, headers: Headers) -> None:
        exchange.wait_for("idle", float("inf"), self._clock())
        body = await reply.read(_WHOLE_LIMIT)
        encoding = header_value(reply.headers, b"content-encoding")
        if encoding is not None:
            body = decode_answer(body, encoding.decode("latin-1"), limit=_WHOLE_LIMIT)
        if 200 <= reply.status < 300:
            changed = _answers(state).read(body) if body and not isinstance(reply, Own) else None
            body = body if changed is None else changed
            if state.answers:
                exchange.status, headers, body = 200, _json(headers), _merged(body, state.answers)
        if state.begun:
            await self._event(exchange, reply, caller, body)
        else:
            await caller.whole(exchange.status, headers, body)

    async def _event(self, exchange: Exchange, reply: Reply, caller: Caller, body: bytes) -> None:
        """A whole answer, where the caller has been given the beginning of a stream."""
        if not 200 <= reply.status < 300:
            raise Refusal("upstream_invalid", f"The MCP server answered {reply.status}.")
        await caller.write(b"event: message\ndata: " + in_one_line(body) + b"\n\n")
        await caller.finish()

    def _id_of(self, exchange: Exchange, state: MCPState) -> Callable[[bytes], bytes]:
        """What the caller gets for the server's ids of events."""
        agent = exchange.agent
        assert agent is not None
        return partial(self._sessions.seal_event, state.server.name, agent.agent_id)

    async def _stream(
        self, exchange: Exchange, state: MCPState, reply: Reply, caller: Caller, headers: Headers
    ) -> None:
        stream = EventStream(_answers(state), id_of=self._id_of(exchange, state))
        encoding = header_value(reply.headers, b"content-encoding")
        decoder = None if encoding is None else Decoder(encoding.decode("latin-1"))
        exchange.streaming, exchange.in_band = True, stream.error
        exchange.wait_for("idle", float("inf"), self._clock())
        if not state.begun:
            await caller.start(reply.status, headers)
        exchange.on_tick = heartbeat = _Heartbeat(exchange, stream, caller)
        try:
            for answer in state.answers.values():
                await caller.write(event_of(answer))
            while chunk := await reply.chunk():
                exchange.touched = self._clock()
                out = stream.feed(chunk if decoder is None else decoder.decode(chunk))
                if out:
                    await caller.write(out)
            if rest := stream.close():
                await caller.write(rest)
        finally:
            exchange.on_tick = None
            await heartbeat.end()
        await caller.finish()


class _Heartbeat:
    """Called at every tick of the watcher: lets a caller, and what is between, see that a silent stream lives."""

    __slots__ = ("_caller", "_exchange", "_stream", "_writing")

    def __init__(self, exchange: Exchange, stream: EventStream, caller: Caller) -> None:
        self._exchange = exchange
        self._stream = stream
        self._caller = caller
        self._writing: asyncio.Future[None] | None = None

    def __call__(self, now: float) -> None:
        if now - self._exchange.touched < _HEARTBEAT_SECONDS or self._stream.pending:
            return
        if self._writing is None or self._writing.done():
            self._exchange.touched = now
            self._writing = asyncio.ensure_future(self._caller.write(HEARTBEAT))

    async def end(self) -> None:
        """Leave nothing behind that would write into another answer."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)


def _answers(state: MCPState) -> Answers:
    waiting = [message.id for message in state.forwarded if message.is_request and message.id is not None]
    calls = {message.id for message in state.forwarded if message.is_call}

    def observe(answer: dict[str, Any]) -> None:
        if answer.get("id") in calls and _failed(answer):
            state.tool_errors += 1
        for told in state.observers:
            told(answer)

    return Answers(waiting, observe, _all(state.edits), cut=state.cut, tools_changed=state.tools_changed)


def _all(edits: list[Edit]) -> Edit | None:
    """One edit for several."""
    if not edits:
        return None

    def edit(message: dict[str, Any]) -> dict[str, Any] | None:
        found = None
        for one in edits:
            found = one(message if found is None else found) or found
        return found

    return edit


def _failed(answer: dict[str, Any]) -> bool:
    result = answer.get("result")
    return "error" in answer or (type(result) is dict and result.get("isError") is True)


def _json(headers: Headers) -> Headers:
    return [(b"content-type", b"application/json"), *[pair for pair in headers if pair[0] != b"content-type"]]


def _merged(body: bytes, answers: dict[RequestId, dict[str, Any]]) -> bytes:
    """The answer to a batch of which the gateway has answered some."""
    try:
        theirs = orjson.loads(body) if body else []
    except orjson.JSONDecodeError:
        raise Refusal("upstream_invalid", "The MCP server's answer to a batch is not JSON.") from None
    return dumps([*answers.values(), *(theirs if type(theirs) is list else [theirs])])
