"""Names of what was asked for that are few, whatever callers send."""

from gateway.model.route import Route
from gateway.telemetry import names

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
_PATHS = {
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "embeddings": "/v1/embeddings",
    "mcp": "/mcp/{server}",
}


def route_of(route: Route) -> str:
    """`http.route`: the API's path for what is judged, one word for all that is relayed."""
    return "/v1/{path}" if route.dialect is None else _PATHS.get(route.dialect, route.dialect)


def operation_of(route: Route) -> str:
    """`gen_ai.operation.name`; what is relayed has none of OpenTelemetry's."""
    return "relay" if route.dialect is None else names.OPERATIONS.get(route.dialect, route.dialect)


def method_of(method: str) -> str:
    """`http.request.method`, with `_OTHER` for those nobody knows."""
    return method if method in METHODS else "_OTHER"
