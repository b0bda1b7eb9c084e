"""What browsers are told beside an answer. The page shares its origin with everything else a listener serves: bytes of
providers and MCP servers among them, which must never become a page there."""

from gateway.edge.asgi import Message, Send
from gateway.model.headers import Headers

_NO_PAGE: Headers = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox")]
_INERT = (b"application/json", b"text/event-stream")
"""Browsers make no page of these, whatever their bytes are."""
_CONTENT_TYPE = b"content-type"
_PRIVATE: Headers = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
]


def no_page(headers: Headers) -> Headers:
    """What goes with an answer that others wrote, if a browser might make a page of it: as one it runs nothing and is
    of no origin (https://www.w3.org/TR/CSP3/#directive-sandbox)."""
    for name, value in headers:
        if len(name) == len(_CONTENT_TYPE) and name.lower() == _CONTENT_TYPE:
            return [] if value.lower().startswith(_INERT) else _NO_PAGE
    return _NO_PAGE


def private(send: Send) -> Send:
    """The same, for answers that nobody keeps, frames or makes a page of; what an answer says itself stays."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in _PRIVATE if pair[0] not in said)]
        await send(message)

    return sending
