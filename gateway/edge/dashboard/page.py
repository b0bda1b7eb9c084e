"""The files of the page, as they are. They hold nothing secret: what they show comes from the admin API, by session."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gateway.edge.asgi import Receive, Scope, Send, respond
from gateway.model.headers import Headers, header_value

BASE = "/dashboard"
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
"""https://www.w3.org/TR/CSP3; with trusted types, text cannot become elements by any of the ways browsers have."""
_HEADERS: Headers = [
    (b"content-security-policy", _POLICY),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
    (b"cache-control", b"no-cache"),
]


def files() -> dict[str, bytes]:
    """The files by their names; only kinds that the page is made of."""
    static = Path(__file__).parent / "static"
    return {path.name: path.read_bytes() for path in sorted(static.iterdir()) if path.suffix in _TYPES}


def is_page(path: str) -> bool:
    """Whether a canonical path is one of the page."""
    return path == BASE or path.startswith(f"{BASE}/")


class Page:
    """An ASGI application that answers from memory."""

    def __init__(self, found: Mapping[str, bytes]) -> None:
        self._files = {
            name: (content, b'"%b"' % hashlib.sha256(content).hexdigest()[:32].encode())
            for name, content in found.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            return await respond(send, 405, [(b"allow", b"GET, HEAD"), *_HEADERS], b"")
        head_only = scope["method"] == "HEAD"
        name = scope["path"].removeprefix(BASE).strip("/") or "index.html"
        if name not in self._files:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
            return await respond(send, 404, headers, b"There is no such page.\n", head_only=head_only)
        content, tag = self._files[name]
        headers = [(b"etag", tag), *_HEADERS]
        if _has(scope["headers"], tag):
            return await respond(send, 304, headers, b"")
        headers = [(b"content-type", _TYPES[Path(name).suffix]), *headers]
        await respond(send, 200, headers, content, head_only=head_only)


def _has(headers: Headers, tag: bytes) -> bool:
    """Whether the browser has the file (RFC 9110 section 13.1.2). Proxies that compress make tags weak."""
    known = (header_value(headers, b"if-none-match") or b"").split(b",")
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in known)
