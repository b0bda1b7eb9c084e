"""The listing of models while the stub models are on: a provider's and theirs, or theirs alone if none answers.

Needs no provider, no network and no key, so that a first try shows something. Touches no other request.
"""

import asyncio
import logging
from typing import Any

import orjson

from gateway.demo.stub import MODELS, model_listing
from gateway.demo.stub_reply import StubReply
from gateway.model.errors import Refusal
from gateway.model.headers import Headers, header_value
from gateway.model.route import Route
from gateway.upstream.decode import decode_answer
from gateway.upstream.providers import Provider
from gateway.upstream.reply import Opener, Reply

log = logging.getLogger(__name__)

_LISTING_LIMIT = 16 * 1024 * 1024
_OF_THE_BYTES = (b"content-length", b"content-encoding", b"content-md5", b"digest", b"etag", b"last-modified")
"""Headers that speak of the provider's listing as it was."""
_PAGES = (b"after", b"before")


class ModelList:
    """Answers `GET /models` and `GET /models/{stub model}`.

    Args:
        stub: the stub models.
        default: who speaks to the default provider.
        patience: seconds until the stub models are listed without it.
    """

    def __init__(self, stub: Opener, default: Opener, *, patience: float = 5.0) -> None:
        self._stub = stub
        self._default = default
        self._patience = patience

    @staticmethod
    def answers(method: str, route: Route) -> bool:
        """Whether a request is one of these, and not for a provider of the caller's choice."""
        if method not in ("GET", "HEAD") or route.provider is not None or route.deployment is not None:
            return False
        return route.path == "/models" or route.path.removeprefix("/models/") in MODELS

    async def open(
        self, provider: Provider, method: str, route: Route, query: bytes, headers: Headers, *, ask: bool
    ) -> Reply:
        """`provider` is the default one, asked only if `ask`; `headers` are meant for it. Never refuses."""
        if route.path == "/models" and ask:
            plain = [*(h for h in headers if h[0] != b"accept-encoding"), (b"accept-encoding", b"identity")]
            try:
                async with asyncio.timeout(self._patience):
                    reply = await self._default.open(provider, "GET", provider.path(route), query, plain, None)
                    try:
                        return await _with_stub_models(
                            reply, query, anthropic=header_value(headers, b"anthropic-version") is not None
                        )
                    finally:
                        reply.close()
            except (Refusal, TimeoutError) as error:
                log.info("Only the stub models are listed: %s", str(error) or "the provider takes too long")
        return await self._stub.open(provider, method, route.path, b"", headers, None)


async def _with_stub_models(reply: Reply, query: bytes, *, anthropic: bool) -> Reply:
    """The provider's listing and the stub models behind it, on its first page. Refusal if it cannot be read."""
    if reply.status != 200:
        raise Refusal("upstream_invalid", f"the provider answered with status {reply.status}")
    body = await reply.read(_LISTING_LIMIT)
    encoding = header_value(reply.headers, b"content-encoding") or b"identity"
    listing = _listing(decode_answer(body, encoding.decode("latin-1"), limit=_LISTING_LIMIT))
    if not any(part.startswith(_PAGES) for part in query.split(b"&")):
        listed = {model.get("id") for model in listing["data"] if isinstance(model, dict)}
        stubs = model_listing("/models", anthropic=anthropic)["data"]
        listing["data"] += [model for model in stubs if model["id"] not in listed]
    data = orjson.dumps(listing)
    headers = [pair for pair in reply.headers if pair[0] not in _OF_THE_BYTES]
    return StubReply(200, [*headers, (b"content-length", b"%d" % len(data))], [(data, False)])


def _listing(body: bytes) -> dict[str, Any]:
    try:
        listing = orjson.loads(body)
    except orjson.JSONDecodeError:
        listing = None
    if not isinstance(listing, dict) or not isinstance(listing.get("data"), list):
        raise Refusal("upstream_invalid", "the provider's listing cannot be read")
    return listing
