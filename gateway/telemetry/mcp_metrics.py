"""How long MCP operations take, and the bound on each label.

Methods, tools and prompts come from callers: a method is a label if the protocol has it, a tool once a server has
answered a call of it, and only so many.
"""

from collections.abc import Iterable

from gateway.telemetry import names
from gateway.telemetry.instruments import Distribution, Histogram, Instrument
from gateway.telemetry.operation import TOOL_ERROR, Operation

OTHER = "_OTHER"
_TOOLS = 200
_LONGEST = 100
_KINDS = 4_000
_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)  # as the conventions advise
METHODS = frozenset(
    """completion/complete initialize logging/setLevel ping prompts/get prompts/list resources/list resources/read
    resources/subscribe resources/templates/list resources/unsubscribe server/discover subscriptions/listen tasks/cancel
    tasks/get tasks/list tasks/result tasks/update tools/call tools/list notifications/cancelled
    notifications/initialized notifications/progress notifications/roots/list_changed""".split()  # noqa: SIM905
)
_CODES = frozenset(["-32700", *[str(code) for code in (*range(-32603, -32599), *range(-32042, -31999))]])

_Key = tuple[str, str, str | None, str | None, str | None]


class MCPMetrics:
    """`mcp.server.operation.duration`, towards callers, and `mcp.client.operation.duration`, towards servers."""

    def __init__(self) -> None:
        self._served = Histogram(
            names.MCP_SERVER_DURATION, "s", "From an MCP message to the end of its answer.", bounds=_BOUNDS
        )
        self._asked = Histogram(
            names.MCP_CLIENT_DURATION, "s", "From asking an MCP server to the end of its answer.", bounds=_BOUNDS
        )
        self._tools: set[str] = set()
        self._series: dict[_Key, tuple[Distribution, Distribution]] = {}

    def instruments(self) -> Iterable[Instrument]:
        yield from (self._served, self._asked)

    def observe(self, operation: Operation, failure: str | None, served: float, asked: float | None) -> None:
        """Count an operation that is over.

        Args:
            failure: why the exchange did not end well, if it did not.
            served: seconds for the caller. asked: seconds of them for the server, None if it was not asked.
        """
        method = operation.method if operation.method in METHODS else OTHER
        error = operation.error or failure
        if operation.code is not None and operation.code not in _CODES:
            error = OTHER
        tool = self._tool(operation.tool, known=asked is not None and error in (None, TOOL_ERROR))
        key = operation.server, method, tool, error, operation.version
        series = self._series.get(key) or self._new(key, operation)
        series[0].record(served)
        if asked is not None:
            series[1].record(asked)

    def _new(self, key: _Key, operation: Operation) -> tuple[Distribution, Distribution]:
        server, method, tool, error, version = key
        given = {
            names.MCP_SERVER: server,
            names.MCP_METHOD: method,
            names.TOOL_NAME: tool,
            names.OPERATION: None if tool is None else names.EXECUTE_TOOL,
            names.ERROR_TYPE: error,
            names.MCP_VERSION: version,
            names.TRANSPORT: "tcp",
        }
        labels = {name: value for name, value in given.items() if value is not None}
        behind = {names.SERVER_ADDRESS: operation.address, names.SERVER_PORT: str(operation.port)}
        made = self._served.child(labels), self._asked.child({**labels, **behind})
        if len(self._series) < _KINDS:
            self._series[key] = made
        return made

    def _tool(self, tool: str | None, *, known: bool) -> str | None:
        if tool is None or tool in self._tools:
            return tool
        if not known or len(self._tools) >= _TOOLS or len(tool) > _LONGEST:
            return OTHER
        self._tools.add(tool)
        return tool
