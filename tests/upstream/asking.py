"""Short forms of what most tests here do: ask a scripted provider something."""

from typing import Any

from gateway.model.headers import Headers
from gateway.upstream.client import Client
from gateway.upstream.http_reply import HttpReply
from gateway.upstream.providers import Provider

MANY = 1 << 30


def provider(url: str, **members: Any) -> Provider:
    return Provider("p", url, **members)


async def ask(
    client: Client,
    to: Provider | str,
    body: Any = b"{}",
    *,
    method: str = "POST",
    path: str = "/v1/x",
    query: bytes = b"",
    headers: Headers | None = None,
) -> HttpReply:
    """Open an answer."""
    to = to if isinstance(to, Provider) else provider(to)
    return await client.open(to, method, path, query, headers or [], body)


async def whole(client: Client, to: Provider | str, body: Any = b"{}", **how: Any) -> bytes:
    """The whole body of an answer."""
    reply = await ask(client, to, body, **how)
    try:
        return await reply.read(MANY)
    finally:
        reply.close()


async def pieces(reply: HttpReply) -> list[bytes]:
    """What `chunk` gives until the proper end."""
    got = []
    while data := await reply.chunk():
        got.append(data)
    return got
