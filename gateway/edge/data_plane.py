"""The data plane as an ASGI application: from a scope to an `Exchange`, and nothing more."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.edge.asgi import Receive, Scope, Send
from gateway.edge.client import ASGICaller
from gateway.identity.address import Network, caller_address
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange, Request
from gateway.model.headers import Headers
from gateway.model.route import Route
from gateway.pipeline import Pipeline
from gateway.wire.paths import canonical_path, data_plane_route

_NOWHERE = Route(None, "")
_CACHED_PATHS = 2_000
_CACHED_PATH_LENGTH = 200


class DataPlane:
    """Answers every path that stands for a provider's API.

    Args:
        new_id: makes request ids.
        clock: monotonic seconds.
        degraded: what runs without Redis right now, for `x-gateway-degraded`; empty when all is well.
        trusted_proxies: whose `X-Forwarded-For` is believed.
    """

    _caller = ASGICaller

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        new_id: Callable[[], str],
        clock: Callable[[], float],
        degraded: Callable[[], str] = lambda: "",
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._pipeline = pipeline
        self._new_id = new_id
        self._clock = clock
        self._degraded = degraded
        self._trusted_proxies = trusted_proxies
        self._routes: dict[tuple[str, bytes], tuple[str, Route]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._new_id()
        own: Headers = [(b"x-gateway-request-id", request_id.encode())]
        if degraded := self._degraded():
            own.append((b"x-gateway-degraded", degraded.encode()))
        fields = _fields(scope["headers"])
        connection = scope["extensions"]["leuko"]
        caller = self._caller(receive, send, fields, own, connection.abort, connection.direct)
        refusal = None
        try:
            if fields.get(b"upgrade", b"").lower() == b"websocket":
                raise Refusal("upgrade_unsupported", "WebSocket is not supported here; use HTTP.")
            path, route = self._route(scope["method"], scope["raw_path"])
        except Refusal as refused:
            path, route, refusal = "", _NOWHERE, refused
        request = Request(
            scope["method"],
            path,
            scope["query_string"],
            scope["headers"],
            fields,
            self._address(connection.peer, fields),
        )
        task = asyncio.current_task()
        assert task is not None
        exchange = Exchange(request_id, request, route, task, self._clock())
        exchange.own_headers = own
        exchange.refusal = refusal
        connection.on_gone = exchange.client_gone
        if connection.gone:
            exchange.client_gone()
        try:
            await self._pipeline.run(exchange, caller)
        finally:
            connection.on_gone = None

    def _address(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        return caller_address(peer, fields.get(b"x-forwarded-for"), self._trusted_proxies)

    def _route(self, method: str, raw_path: bytes) -> tuple[str, Route]:
        """The canonical path and its route; remembered, because agents ask for few paths, often."""
        known = self._routes.get((method, raw_path))
        if known is None:
            path = canonical_path(raw_path)
            route = data_plane_route(method, path)
            if route is None:
                raise Refusal("not_found", f"Unknown path {path[:200]}; the API is below /v1.")
            known = path, route
            if len(raw_path) <= _CACHED_PATH_LENGTH:
                if len(self._routes) >= _CACHED_PATHS:  # keyed by what callers send: must not grow with them
                    self._routes.clear()
                self._routes[method, raw_path] = known
        return known


def _fields(headers: Headers) -> dict[bytes, bytes]:
    """Header values by name. Those of one name are one list (RFC 9110 section 5.3): `gzip` and then `br` on two lines
    is a body coded twice, whichever line a reader looks at."""
    fields = dict(headers)
    if len(fields) != len(headers):
        fields.clear()
        for name, value in headers:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields
