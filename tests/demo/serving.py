"""The stub models behind a real socket: the smallest ASGI app over an `Opener`, and uvicorn in a thread."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from gateway.demo.stub import StubModels
from gateway.demo.stub_reply import StubReply
from gateway.demo.stub_turns import Turn
from gateway.upstream.providers import Provider

PROVIDER = cast(Provider, None)
"""The stub models are one provider, whatever they are told."""


def models(script: tuple[Turn, ...] | None = None) -> StubModels:
    """Stub models whose ids count from 1, at a fixed time."""
    numbers = itertools.count(1)
    return StubModels(script, clock=lambda: 1_800_000_000.5, new_id=lambda: f"{next(numbers):06x}")


def over_asgi(stub: StubModels, closed: list[StubReply]) -> Any:
    """An ASGI app that passes requests to the stub, and notes which replies it closed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path, query = scope["raw_path"].decode(), scope["query_string"]
        reply = await stub.open(PROVIDER, scope["method"], path, query, scope["headers"], body)
        try:
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            while chunk := await reply.chunk():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            reply.close()
            closed.append(reply)

    return app


@contextmanager
def served(stub: StubModels) -> Iterator[str]:
    """The root of a server that answers as long as the context lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(over_asgi(stub, []), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
