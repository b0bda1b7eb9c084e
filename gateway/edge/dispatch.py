"""Which application a path belongs to. Decided on the canonical path, so that nobody reads another one."""

from urllib.parse import unquote

from gateway.edge import probes
from gateway.edge.admin.problems import Problem, answer_to
from gateway.edge.asgi import App, Receive, Scope, Send, respond
from gateway.edge.client import refusal_headers
from gateway.model.errors import Refusal
from gateway.model.headers import header_value
from gateway.wire.openai_errors import error_body
from gateway.wire.paths import canonical_path

_METRICS = "/metrics"
_ADMIN = b"/api/gateway/"
_AGENTS = "/api/v1/"


class Dispatch:
    """Sends probes to the probes, `/api/v1/` to the agents' API, `/api/` and `/metrics` to the admin API, everything
    else to the data plane.

    Args:
        data_plane, admin, agents: None where this listener does not serve it.
        allowed_hosts: lower-case `Host` names (without port) the admin API answers to, against DNS rebinding.
    """

    def __init__(
        self,
        *,
        data_plane: App | None,
        admin: App | None,
        probe: App,
        allowed_hosts: frozenset[str],
        agents: App | None = None,
    ) -> None:
        self._data_plane = data_plane
        self._admin = admin
        self._agents = agents
        self._probe = probe
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"].startswith(b"/v1/") and self._data_plane is not None:
            return await self._data_plane(scope, receive, send)
        try:
            app = self._choose(scope)
        except Refusal as refusal:
            if scope["raw_path"].startswith(_ADMIN):
                return await answer_to(Problem(refusal.status, refusal.message))(scope, receive, send)
            return await respond(send, refusal.status, refusal_headers(refusal), error_body(refusal))
        return await app(scope, receive, send)

    def _choose(self, scope: Scope) -> App:
        try:
            path = canonical_path(scope["raw_path"])
        except Refusal:
            if self._data_plane is None or scope["raw_path"].startswith(_ADMIN):
                raise
            return self._data_plane  # refuses it too, with a request id
        if path in probes.PATHS:
            scope["path"] = path
            return self._probe
        if self._agents is not None and path.startswith(_AGENTS):
            scope["path"] = unquote(path)
            return self._agents
        if self._admin is not None and (path.startswith("/api/") or path == _METRICS):
            self._check_host(scope)
            scope["path"] = f"/api/gateway{path}" if path == _METRICS else unquote(path)
            return self._admin
        if self._data_plane is None or path.startswith("/api/"):
            raise Refusal("not_found", f"Unknown path {path[:200]}.")
        return self._data_plane

    def _check_host(self, scope: Scope) -> None:
        host = (header_value(scope["headers"], b"host") or b"").decode("latin-1")
        if _name(host) not in self._allowed_hosts:
            raise Refusal("host_not_allowed", "This host name is not served here; see GATEWAY_ALLOWED_HOSTS.")


def _name(host: str) -> str:
    """A `Host` value without its port, lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
