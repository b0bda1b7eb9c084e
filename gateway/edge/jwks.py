"""`/.well-known/jwks.json`: the public keys that verify the gateway's tokens (RFC 7517), for everybody."""

import hashlib
from collections.abc import Callable

import orjson

from gateway.edge.asgi import Receive, Scope, Send, respond
from gateway.intents.keyring import KeyRing
from gateway.model.headers import Headers, header_value
from gateway.store.errors import StoreUnavailable

PATH = "/.well-known/jwks.json"
FRESH_SECONDS = 300
"""A verifier may keep the set so long: the next key stands in it before it signs anything."""


class JWKS:
    """`ring`: the keys in force; raises StoreUnavailable."""

    def __init__(self, ring: Callable[[], KeyRing]) -> None:
        self._ring = ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            return await respond(send, 405, [(b"allow", b"GET, HEAD")], b"")
        try:
            body = orjson.dumps(self._ring().jwks())
        except StoreUnavailable:
            return await respond(send, 503, [(b"retry-after", b"1"), (b"cache-control", b"no-store")], b"")
        tag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        headers: Headers = [
            (b"content-type", b"application/jwk-set+json"),
            (b"cache-control", b"public, max-age=%d" % FRESH_SECONDS),
            (b"etag", tag),
            (b"access-control-allow-origin", b"*"),
        ]
        if header_value(scope["headers"], b"if-none-match") == tag:
            return await _not_modified(send, headers)
        await respond(send, 200, headers, body, head_only=scope["method"] == "HEAD")


async def _not_modified(send: Send, headers: Headers) -> None:
    """A 304 has no body, and says no length of one (RFC 9110 section 15.4.5)."""
    await send({"type": "http.response.start", "status": 304, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b""})
