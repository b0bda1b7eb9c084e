"""Whether the `Mcp-Param-*` headers of a call say what its arguments say, as the schema of the tool declares them.

https://modelcontextprotocol.io/specification/2026-07-28/basic/transports, custom headers from tool parameters
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.model.headers import Headers
from gateway.wire.mcp import HEADER_MISMATCH, MCPRefusal
from gateway.wire.mcp_agreement import decoded

_PREFIX = "mcp-param-"
_DECLARED = "x-mcp-header"
_DECIMAL = re.compile(r"(-?[0-9]+)(?:\.0+)?")


def check_params(schema: Any, arguments: Mapping[str, Any], headers: Headers) -> None:
    """Raises MCPRefusal -32020 for a header that says another thing than its argument. One that is missing is left to
    the server, which may do without."""
    given: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name.startswith(_PREFIX.encode()):
            given.setdefault(name, []).append(value)
    if not given:
        return
    for path, token, kind in _declared(schema):
        header = f"{_PREFIX}{token.lower()}"
        values = given.get(header.encode("latin-1", "replace"))
        if values is None:
            continue
        if len(values) > 1:
            raise MCPRefusal(HEADER_MISMATCH, f"The header {header[:80]} appears more than once.")
        if not _agrees(kind, _at(arguments, path), decoded(values[0])):
            raise MCPRefusal(HEADER_MISMATCH, f"The header {header[:80]} differs from its argument in the body.")


def _declared(schema: Any) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Path, name and type of every argument that a header repeats."""
    stack: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while stack:
        path, node = stack.pop()
        if type(node) is not dict:
            continue
        token, inside = node.get(_DECLARED), node.get("properties")
        if path and type(token) is str:
            yield path, token, node.get("type")
        if type(inside) is dict:
            stack += [((*path, name), one) for name, one in inside.items()]


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if type(arguments) is not dict:
            return None
        arguments = arguments.get(name)
    return arguments


def _agrees(kind: Any, value: Any, said: str | None) -> bool:
    if value is None or said is None:
        return False
    if type(value) is bool:
        return said == ("true" if value else "false")
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if kind == "integer" and whole and (found := _DECIMAL.fullmatch(said)) is not None and len(said) < 1000:
        return int(found[1]) == int(value)
    return isinstance(value, str | int | float) and said == str(value)
