"""Keeps connections busy against one URL and counts; prints one JSON line.

    python -m tests.bench.load URL CONNECTIONS SECONDS [--stream] [--size BYTES] [--key KEY] [--intent TOKEN] [--mcp]

Each connection asks again as soon as its answer is complete. Times in milliseconds.
"""

import argparse
import asyncio
import time
from typing import cast
from urllib.parse import SplitResult, urlsplit

import orjson
import uvloop

_SYSTEM = "You are a careful SRE agent. Use the tools to inspect the system. "
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_status",
        "description": "Get the status of a service",
        "parameters": {"type": "object", "properties": {"service": {"type": "string"}}, "required": ["service"]},
    },
}


_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "get_status",
        "arguments": {"service": "payments"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}


def call_bytes(url: SplitResult, key: str) -> bytes:
    """One call of a tool as an MCP client sends it."""
    said = ("mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: get_status")
    return _request(url, key, orjson.dumps(_CALL), "accept: application/json, text/event-stream", *said)


def request_bytes(url: SplitResult, key: str, *, stream: bool, size: int, intent: str = "") -> bytes:
    """One chat completion as the OpenAI SDK sends it, with a body of about `size` bytes."""
    system = _SYSTEM * max(1, (size - 560) // len(_SYSTEM))
    document = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": "Check the payments service"}],
        "tools": [_TOOL],
        "temperature": 0,
    }
    if stream:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    more = [f"x-intent-token: {intent}"] if intent else []
    said = ("accept: application/json", "user-agent: OpenAI/Python 3.52.0", *more)
    return _request(url, key, orjson.dumps(document), *said)


def _request(url: SplitResult, key: str, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(
        (
            f"POST {url.path} HTTP/1.1",
            f"host: {url.netloc}",
            "content-type: application/json",
            f"authorization: Bearer {key}",
            *headers,
            f"content-length: {len(body)}\r\n\r\n",
        )
    )
    return head.encode() + body


class Tally:
    """What all connections saw together."""

    def __init__(self) -> None:
        self.answers = self.events = self.bad = 0
        self.latencies: list[float] = []
        self.first_events: list[float] = []


class Connection(asyncio.Protocol):
    """One connection: asks, reads to the end of the answer, asks again."""

    def __init__(self, request: bytes, tally: Tally, until: float, done: "asyncio.Future[None]") -> None:
        self._request, self._tally, self._until, self._done = request, tally, until, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._tail, self._left, self._seen_event = b"", -1, False
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        events = data.count(b"data:")
        if events:
            self._tally.events += events
            if not self._seen_event:
                self._seen_event = True
                self._tally.first_events.append((now - self._began) * 1000)
        if self._complete(data):
            self._tally.answers += 1
            self._tally.latencies.append((now - self._began) * 1000)
            if now < self._until:
                self._ask()
            else:
                self._transport.close()

    def _complete(self, data: bytes) -> bool:
        """Whether this is the answer's last data: by its length, or by its last chunk."""
        if self._left < 0 and not self._tail:
            self._tally.bad += not data.startswith(b"HTTP/1.1 200")
            head, _, body = data.partition(b"\r\n\r\n")
            found = head.lower().partition(b"content-length: ")[2]
            if found:
                self._left = int(found.split(b"\r\n")[0])
                data = body
        if self._left >= 0:
            self._left -= len(data)
            return self._left == 0
        self._tail = (self._tail + data)[-8:]
        return self._tail.endswith(b"0\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.bad += time.perf_counter() < self._until
        if not self._done.done():
            self._done.set_result(None)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)


async def load(url: str, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """Keep `connections` busy for `seconds`; counts and quantiles."""
    where, loop, tally = urlsplit(url), asyncio.get_running_loop(), Tally()
    until = time.perf_counter() + seconds
    ends = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(lambda end=end: Connection(request, tally, until, end), where.hostname, where.port)
    await asyncio.wait(ends, timeout=seconds + 30)
    return {
        "answers": tally.answers,
        "events": tally.events,
        "bad": tally.bad,
        "p50": quantile(tally.latencies, 0.5),
        "p99": quantile(tally.latencies, 0.99),
        "first_p50": quantile(tally.first_events, 0.5),
        "first_p99": quantile(tally.first_events, 0.99),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--size", type=int, default=1900)
    parser.add_argument("--key", default="sk-bench-0123456789")
    parser.add_argument("--intent", default="")
    parser.add_argument("--mcp", action="store_true")
    given = parser.parse_args()
    address = urlsplit(given.url)
    asked = request_bytes(address, given.key, stream=given.stream, size=given.size, intent=given.intent)
    if given.mcp:
        asked = call_bytes(address, given.key)
    counted = uvloop.run(load(given.url, given.connections, given.seconds, asked))
    print(orjson.dumps(counted).decode())
