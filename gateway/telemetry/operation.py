"""What one MCP message asks for and comes to, in the words of OpenTelemetry's conventions for MCP.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md
"""

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

from gateway.telemetry import names

TOOL_ERROR = "tool_error"
_URI = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe", "notifications/resources/updated"})


class Operation:
    """A request or notification that came alone in its HTTP request.

    Attributes:
        server: the name in `/mcp/{name}`; `address` and `port` are where it is asked.
        method, request_id: as the message has them; the id is None in a notification.
        tool, prompt, uri: what it is about, of methods that are about one.
        error: what it failed with: a JSON-RPC code, or `tool_error` of a tool that says it failed.
        code: the JSON-RPC code, if it was one.
        call_id: of the call token that the server was given.
    """

    __slots__ = (
        "address", "call_id", "code", "error", "method", "port", "prompt", "request_id", "server", "session", "tool",
        "uri", "version",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        params: Mapping[str, Any],
        request_id: str | int | None,
        *,
        server: tuple[str, str, int],
        session: str | None,
        version: str | None,
    ) -> None:
        self.method = method
        self.request_id = request_id
        self.server, self.address, self.port = server
        self.session = session
        self.version = version
        self.tool = _text(params, "name") if method == "tools/call" else None
        self.prompt = _text(params, "name") if method == "prompts/get" else None
        self.uri = _text(params, "uri") if method in _URI else None
        self.error: str | None = None
        self.code: str | None = None
        self.call_id: str | None = None

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Look at an answer of the server, or of the gateway in its place."""
        if self.request_id is None or answer.get("id") != self.request_id:
            return
        failed, result = answer.get("error"), answer.get("result")
        if type(failed) is dict:
            self.error = self.code = str(failed.get("code"))[:20]
        elif type(result) is dict and result.get("isError") is True:
            self.error = TOOL_ERROR

    @property
    def name(self) -> str:
        """Of its spans: the method and what is called by name, but no address of a resource, for these are many."""
        return f"{self.method} {self.tool or self.prompt or ''}".rstrip()

    def attributes(self, clean: Callable[[str], str]) -> dict[str, AttributeValue]:
        """Of its spans. `clean` is applied to text that came from outside."""
        found: dict[str, AttributeValue] = {names.MCP_SERVER: self.server, names.TRANSPORT: "tcp"}
        id = None if self.request_id is None else str(self.request_id)
        given = {
            names.MCP_METHOD: self.method,
            names.JSONRPC_ID: id,
            names.TOOL_NAME: self.tool,
            names.PROMPT_NAME: self.prompt,
            names.RESOURCE_URI: self.uri,
            names.MCP_SESSION: self.session,
            names.MCP_VERSION: self.version,
            names.RPC_CODE: self.code,
            names.CALL_ID: self.call_id,
        }
        found |= {name: clean(value) for name, value in given.items() if value}
        return found if self.tool is None else {**found, names.OPERATION: names.EXECUTE_TOOL}


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    return value if type(value) is str else None
