"""Which application a path belongs to. Decided on the canonical path, so that nobody reads another one."""

from collections.abc import Collection
from ipaddress import IPv6Address
from urllib.parse import unquote

from gateway.edge import jwks as public_keys
from gateway.edge import probes
from gateway.edge.admin.problems import Problem, answer_to
from gateway.edge.asgi import App, Receive, Scope, Send, respond
from gateway.edge.browser import private
from gateway.edge.client import refusal_headers
from gateway.edge.dashboard.page import is_page
from gateway.edge.mcp import is_mcp
from gateway.model.errors import Refusal
from gateway.model.headers import header_value
from gateway.wire.mcp import error_body as mcp_error_body
from gateway.wire.openai_errors import error_body
from gateway.wire.paths import canonical_path

_ALIASES = {"/metrics": "/api/gateway/metrics", "/api/feedback": "/api/gateway/feedback"}
_ADMIN = b"/api/gateway/"
_MCP = b"/mcp"
_AGENTS = "/api/v1/"


class Dispatch:
    """Sends probes to the probes, `/api/v1/` to the agents' API, `/api/` and `/metrics` to the admin API, `/mcp/` to
    MCP servers, `/dashboard` to the page, everything else to the data plane.

    Args:
        data_plane, admin, page, agents, mcp, jwks: None where this listener does not serve it.
        allowed_hosts: names (without port) and addresses that the admin API, the page and MCP servers answer to,
            against DNS rebinding. allowed_origins: lower-case web origins that may call MCP servers beside those.
    """

    def __init__(
        self,
        *,
        data_plane: App | None,
        admin: App | None,
        probe: App,
        allowed_hosts: Collection[str],
        page: App | None = None,
        agents: App | None = None,
        jwks: App | None = None,
        mcp: App | None = None,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self._data_plane = data_plane
        self._admin = admin
        self._page = page
        self._agents = agents
        self._jwks = jwks
        self._mcp = mcp
        self._allowed_origins = frozenset(allowed_origins)
        self._probe = probe
        self._allowed_hosts = frozenset(map(_spelled, allowed_hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"].startswith(b"/v1/") and self._data_plane is not None:
            return await self._data_plane(scope, receive, send)
        try:
            app = self._choose(scope)
        except Refusal as refusal:
            if scope["raw_path"].startswith(_ADMIN):
                return await answer_to(Problem(refusal.status, refusal.message))(scope, receive, private(send))
            mcp = self._mcp is not None and scope["raw_path"].startswith(_MCP)
            body = mcp_error_body(refusal) if mcp else error_body(refusal)
            return await respond(send, refusal.status, refusal_headers(refusal), body)
        return await app(scope, receive, send)

    def _choose(self, scope: Scope) -> App:
        try:
            path = canonical_path(scope["raw_path"])
        except Refusal:
            if self._data_plane is None or scope["raw_path"].startswith((_ADMIN, _MCP)):
                raise
            return self._data_plane  # refuses it too, with a request id
        if path in probes.PATHS:
            scope["path"] = path
            return self._probe
        if path == public_keys.PATH and self._jwks is not None:
            return self._jwks
        if self._mcp is not None and is_mcp(path):
            self._check_host(scope)
            self._check_origin(scope)
            return self._mcp
        if self._agents is not None and path.startswith(_AGENTS):
            scope["path"] = unquote(path)
            return self._agents
        if self._admin is not None and (path.startswith("/api/") or path in _ALIASES):
            self._check_host(scope)
            scope["path"] = _ALIASES.get(path) or unquote(path)
            return self._admin
        if self._page is not None and is_page(path):
            self._check_host(scope)
            scope["path"] = path
            return self._page
        if self._data_plane is None or path.startswith("/api/"):
            raise Refusal("not_found", f"Unknown path {path[:200]}.")
        return self._data_plane

    def _check_host(self, scope: Scope) -> None:
        host = (header_value(scope["headers"], b"host") or b"").decode("latin-1")
        if _name(host) not in self._allowed_hosts:
            raise Refusal("host_not_allowed", "This host name is not served here; see GATEWAY_ALLOWED_HOSTS.")

    def _check_origin(self, scope: Scope) -> None:
        """A page of another origin may not use the browser's way to this machine."""
        origin = (header_value(scope["headers"], b"origin") or b"").decode("latin-1").lower()
        if origin and origin not in self._allowed_origins:
            scheme, separator, host = origin.partition("://")
            if not separator or scheme not in ("http", "https") or _name(host) not in self._allowed_hosts:
                raise Refusal("host_not_allowed", "Pages of this origin may not call MCP servers here.", status=403)


def _spelled(host: str) -> str:
    """A host's one spelling: lower case; of an IPv6 address, with or without its brackets, that of RFC 5952."""
    try:
        return str(IPv6Address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return host.lower()


def _name(host: str) -> str:
    """The host of a `Host` value, which may have a port."""
    if host.startswith("["):
        return _spelled(host.partition("]")[0] + "]")
    return _spelled(host.partition(":")[0])
