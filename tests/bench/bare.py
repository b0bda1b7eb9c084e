"""The bare forwarder: what a proxy costs in this stack when it checks nothing. The denominator of every ratio.

uvicorn with httptools and uvloop in front, aiohttp behind, both as their documentation shows them.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

_FRAMING = {b"host", b"connection", b"content-length", b"transfer-encoding"}
_UPSTREAM = os.environ.get("BENCH_UPSTREAM", "")
_state: dict[str, aiohttp.ClientSession] = {}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """ASGI; run by `uvicorn tests.bench.bare:app`."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"] if k not in _FRAMING]
    url = _UPSTREAM + scope["path"]
    async with _state["session"].request(
        scope["method"], url, headers=headers, data=body, allow_redirects=False
    ) as answer:
        passed = [(k.lower(), v) for k, v in answer.raw_headers if k.lower() != b"transfer-encoding"]
        await send({"type": "http.response.start", "status": answer.status, "headers": passed})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            connector = aiohttp.TCPConnector(limit=0)
            _state["session"] = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            await send({"type": "lifespan.startup.complete"})
        else:
            await _state["session"].close()
            await send({"type": "lifespan.shutdown.complete"})
            return
