"""identify, for MCP: who is calling, which server is meant, which session is continued; from the head alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange, Request
from gateway.phases.admit import Gate
from gateway.phases.mcp.sessions import Sessions
from gateway.phases.mcp.state import MCPState
from gateway.upstream.mcp_servers import DEFAULT, MCPServer, MCPServers
from gateway.wire.mcp import INVALID_REQUEST, METHOD_NOT_FOUND, Era, MCPRefusal
from gateway.wire.mcp_agreement import era_of

SESSION = b"mcp-session-id"
AFTER = b"last-event-id"
_METHODS = ("GET", "POST", "DELETE")
_LONGEST_SHOWN = 64


class IdentifyMCP:
    """Sets `exchange.agent` and `exchange.mcp`. `servers` may be replaced at any time.

    Args:
        identify: who is calling, as for model requests.
        unverified: whether callers without a proof may use servers.
        gates: asked in order once all this is known, before a byte of the body is read.
    """

    def __init__(
        self,
        identify: Callable[[Exchange], Awaitable[None]],
        servers: MCPServers,
        sessions: Sessions,
        *,
        unverified: bool = False,
        gates: Sequence[Gate] = (),
    ) -> None:
        self._identify = identify
        self.servers = servers
        self._sessions = sessions
        self._unverified = unverified
        self._gates = tuple(gates)

    async def __call__(self, exchange: Exchange) -> None:
        await self._identify(exchange)
        agent = exchange.agent
        assert agent is not None
        if exchange.refusal is not None:
            return
        if not (agent.verified or self._unverified):
            raise Refusal(
                "invalid_api_key",
                "MCP servers are for callers that prove who they are: send an agent key or a token of the issuer as "
                "`Authorization: Bearer …` or `X-Agent-Key`.",
                headers=((b"www-authenticate", b"Bearer"),),
            )
        request = exchange.request
        server = self._server(request.path, named=agent.verified)
        if request.method not in _METHODS:
            allow = ((b"allow", ", ".join(_METHODS).encode()),)
            raise MCPRefusal(INVALID_REQUEST, f"{request.method[:32]} has no meaning here.", status=405, headers=allow)
        state = exchange.mcp = _state(server, request)
        exchange.provider = f"mcp:{server.name}"
        sealed = request.fields.get(SESSION)
        if sealed is not None:
            session = self._sessions.open(server.name, agent.agent_id, sealed)
            if session is None:
                raise MCPRefusal(INVALID_REQUEST, "There is no such session.", code="not_found", status=404)
            state.session = session.decode("latin-1")
        if AFTER in request.fields:
            exchange.request = self._go_on(request, server, agent.agent_id)
        for gate in self._gates:
            waiting = gate(exchange)
            if waiting is not None:
                await waiting

    def _go_on(self, request: Request, server: MCPServer, agent_id: str) -> Request:
        """The request with the server's own id of the event after which its stream is to go on. Raises MCPRefusal."""
        event = self._sessions.open_event(server.name, agent_id, request.fields[AFTER])
        if event is None:
            raise MCPRefusal(INVALID_REQUEST, "There is no such event.")
        headers = [pair for pair in request.headers if pair[0] != AFTER]
        return replace(request, headers=[*headers, (AFTER, event)], fields={**request.fields, AFTER: event})

    def _server(self, path: str, *, named: bool) -> MCPServer:
        """The server of `/mcp/{name}`. Raises Refusal `not_found`; `named`: whether that may say which there are."""
        name = path.removeprefix("/mcp").removeprefix("/") or DEFAULT
        server = self.servers.by_name.get(name)
        if server is not None:
            return server
        names = ", ".join(self.servers.names) or "none is configured"
        shown = name[:_LONGEST_SHOWN]
        raise MCPRefusal(
            METHOD_NOT_FOUND,
            f"There is no MCP server {shown!r} here; there are: {names}." if named else "There is no such MCP server.",
            code="not_found",
            status=404,
        )


def _state(server: MCPServer, request: Request) -> MCPState:
    """Raises MCPRefusal for a head that is wrong, where no body follows it."""
    try:
        return MCPState(server, era_of(request.headers, request.fields))
    except MCPRefusal as refusal:
        if request.method != "POST":
            raise
        return MCPState(server, Era.STATELESS, refusal)
