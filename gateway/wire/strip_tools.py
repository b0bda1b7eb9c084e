"""Takes offered tools out of a request, so that a model does not propose what would be refused anyhow."""

from collections.abc import Collection, Iterator
from typing import Any

from gateway.model.ask import Ask
from gateway.wire.edit import remove_items, remove_member

_ARRAYS = ("tools", "functions", "mcp_servers")
_CHOICES = ("tool_choice", "function_call", "parallel_tool_calls")
"""Members that a provider takes only beside tools."""

_Path = tuple[str | int, ...]


def strip_tools(body: bytes, ask: Ask, names: Collection[str]) -> bytes:
    """The request without the tools of these names; only the arrays that hold them change.

    A choice among tools that are gone goes with them. Tools that are defined elsewhere stay: `body` has to be read
    again by whoever must know. `ask` is `body` as it was read.
    """
    doomed = {id(tool.definition) for tool in ask.tools if tool.name in names}
    document = ask.document
    emptied = False
    for path, array in _arrays(document):
        gone = {at for at, tool in enumerate(array) if id(tool) in doomed or _is_emptied(tool, doomed)}
        if not gone:
            continue
        if len(gone) == len(array) and len(path) == 1:
            body, emptied = remove_member(body, (str(path[0]),)), emptied or path[0] != "mcp_servers"
        else:
            body = remove_items(body, path, gone)
    if "web_search" in names and "web_search_options" in document:
        body = remove_member(body, ("web_search_options",))
    for member in _CHOICES:
        if emptied or (member in document and not names_in(document[member]).isdisjoint(names)):
            body = remove_member(body, (member,))
    return body


def _arrays(document: dict[str, Any]) -> Iterator[tuple[_Path, list[Any]]]:
    """Every array of tools, those inside of others first."""
    holders: list[tuple[_Path, Any]] = [((), document)]
    items = document.get("input")
    holders += [(("input", at), item) for at, item in enumerate(items)] if isinstance(items, list) else []
    for place, holder in holders:
        for member in _ARRAYS if isinstance(holder, dict) else ():
            array = holder.get(member)
            if not isinstance(array, list):
                continue
            for at, tool in enumerate(array):
                if isinstance(tool, dict) and isinstance(tool.get("tools"), list):
                    yield (*place, member, at, "tools"), tool["tools"]
            yield (*place, member), array


def _is_emptied(tool: Any, doomed: Collection[int]) -> bool:
    """Whether it is a namespace of which nothing is left."""
    inner = tool.get("tools") if isinstance(tool, dict) else None
    return isinstance(inner, list) and bool(inner) and all(id(one) in doomed for one in inner)


def names_in(choice: Any) -> set[str]:
    """The tools that a choice names, however it does."""
    if isinstance(choice, list):
        return {name for one in choice for name in names_in(one)}
    if not isinstance(choice, dict):
        return set()
    own = {value for key, value in choice.items() if key in ("name", "type") and isinstance(value, str)}
    return own.union(*map(names_in, choice.values()))
