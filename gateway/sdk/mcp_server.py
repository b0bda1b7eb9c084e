"""Between an MCP server of the `mcp` package (2.x, `MCPServer` or the low-level `Server`) and its tools."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from gateway.sdk.jws import InvalidCall

META = "io.leuko/call"
"""The member of `_meta` in which a call's token comes."""
REFUSED = -32010
"""The JSON-RPC code of a refused call, as the gateway's own refusals have it; `data.reason` says why."""

Check = Callable[[object, str, Mapping[str, Any]], Awaitable[Any]]
Middleware = Callable[[Any, Callable[[Any], Awaitable[Any]]], Awaitable[Any]]


def call_of(params: object) -> tuple[object, str, Mapping[str, Any]]:
    """Token, tool and arguments of a `tools/call`. Raises InvalidCall."""
    members = params if isinstance(params, Mapping) else {}
    name, arguments, meta = members.get("name"), members.get("arguments"), members.get("_meta")
    if not isinstance(name, str) or not isinstance(arguments, Mapping | None):
        raise InvalidCall("malformed", "the call does not say which tool it is for, with which arguments")
    return meta.get(META) if isinstance(meta, Mapping) else None, name, arguments if arguments is not None else {}


def middleware(check: Check, tools: Collection[str] | None) -> Middleware:
    """What `MCPServer.middleware` takes. A call that is refused is answered with a JSON-RPC error."""

    async def guard(context: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        if context.method == "tools/call":
            from mcp.shared.exceptions import MCPError

            try:
                token, tool, arguments = call_of(context.params)
                if tools is None or tool in tools:
                    await check(token, tool, arguments)
            except InvalidCall as problem:
                raise MCPError(REFUSED, str(problem), {"reason": problem.word}) from None
        return await call_next(context)

    return guard
