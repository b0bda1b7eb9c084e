"""`/mcp/{server}` as an ASGI application: the data plane's, answering in JSON-RPC."""

from gateway.edge.client import ASGICaller
from gateway.edge.data_plane import DataPlane
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.route import Route
from gateway.wire.mcp import error_body
from gateway.wire.paths import canonical_path

ROOT = "/mcp"
_ROUTE = Route("mcp", ROOT, reads_request=False)


def is_mcp(path: str) -> bool:
    """Whether a canonical path is one of an MCP server."""
    return path == ROOT or path.startswith(ROOT + "/")


class MCPCaller(ASGICaller):
    """A caller that reads JSON-RPC."""

    __slots__ = ()

    def _refusal_body(self, exchange: Exchange, refusal: Refusal) -> bytes:
        return error_body(refusal, exchange.mcp.request_id if exchange.mcp is not None else None)


class MCPPlane(DataPlane):
    """Answers every path that stands for an MCP server; which one, the phases say."""

    _caller = MCPCaller

    def _route(self, method: str, raw_path: bytes) -> tuple[str, Route]:
        return canonical_path(raw_path), _ROUTE
