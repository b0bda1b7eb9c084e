"""A provider that costs next to nothing, so that what is measured is what stands in front of it.

    python -m tests.bench.upstream PORT EVENTS GAP_MS

Answers every POST: with one chat completion, or, if the body asks to stream, with EVENTS text events GAP_MS apart.
Below `/mcp` it is an MCP server with one tool.
"""

import asyncio
import sys
from typing import cast

import httptools
import orjson
import uvloop

_HEAD = {"id": "chatcmpl-bench", "created": 1770000000, "model": "gpt-4o-mini", "system_fingerprint": "fp_bench"}
_USAGE = {
    "prompt_tokens": 420,
    "completion_tokens": 100,
    "total_tokens": 520,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_TEXT = "Two of the three payment workers are healthy; the third restarts every forty seconds. " * 3


_TOOL = {"name": "get_status", "inputSchema": {"type": "object", "properties": {"service": {"type": "string"}}}}
_RESULTS = {
    "tools/list": {"tools": [_TOOL], "resultType": "complete"},
    "tools/call": {"content": [{"type": "text", "text": _TEXT}], "isError": False, "resultType": "complete"},
}


def _answer(document: object) -> bytes:
    body = orjson.dumps(document)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def _result(body: bytes) -> bytes:
    """Of an MCP server."""
    asked = orjson.loads(body)
    return _answer({"jsonrpc": "2.0", "id": asked.get("id"), "result": _RESULTS.get(asked["method"], {})})


def _whole() -> bytes:
    message = {"role": "assistant", "content": _TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _answer({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _event(delta: dict[str, object] | None, finish: str | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    document = {**_HEAD, "object": "chat.completion.chunk", "choices": choices}
    if delta is None:
        document["usage"] = _USAGE
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = _whole()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = _chunk(_event({"role": "assistant", "content": "", "refusal": None}))
WORD = _chunk(_event({"content": " word"}))
LAST = _chunk(_event({}, "stop") + _event(None) + b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, events: int, gap: float) -> None:
        self._events = events
        self._gap = gap

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body, self._mcp = b"", False

    def on_url(self, url: bytes) -> None:
        self._mcp = url.startswith(b"/mcp")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._mcp:
            self._transport.write(_result(self._body))
        elif b'"stream":true' not in self._body:
            self._transport.write(WHOLE)
        else:
            self._transport.write(STREAM_HEAD + FIRST)
            self._next(self._events)

    def _next(self, left: int) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(WORD)
            asyncio.get_running_loop().call_later(self._gap, self._next, left - 1)
        else:
            self._transport.write(LAST)


async def _serve(port: int, events: int, gap_ms: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(events, gap_ms / 1000), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
