"""The vocabulary of ASGI (https://asgi.readthedocs.io/en/stable/specs/www.html), and one response sent whole."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.model.headers import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(send: Send, status: int, headers: Headers, body: bytes, *, head_only: bool = False) -> None:
    """Send a whole response; `content-length` is added. With `head_only` the body is announced but not sent."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else body})
