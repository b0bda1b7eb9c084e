"""A document without some of what it says, for questions in which that cannot be answered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.policy.clauses import Tool
from gateway.policy.constraints.compiling import READ_CONVERSATION
from gateway.policy.document import Document


def decidable(document: Document) -> Document:
    """Without the constraints that only a conversation can answer."""
    return _with_tools(document, [_decidable_tool(tool) for tool in document.clauses.tools])


def without_arguments(document: Document) -> Document:
    """Without any constraint on arguments: what may be called with some arguments or others."""
    return _with_tools(document, [replace(tool, arguments=None) for tool in document.clauses.tools])


def conversational(arguments: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """The constraints that `decidable` leaves out, by their place."""
    found: list[tuple[str, Any]] = []

    def look(place: str, constraints: Mapping[str, Any]) -> None:
        for name, written in constraints.items():
            if name in READ_CONVERSATION:
                found.append((f"{place}.{name}", written))
            elif name == "items" and isinstance(written, Mapping):
                look(f"{place}[]", written)
            elif name == "properties" and isinstance(written, Mapping):
                for member, inner in written.items():
                    look(f"{place}.{member}", inner)

    for argument, constraints in arguments.items():
        look(argument, constraints)
    return found


def _with_tools(document: Document, tools: list[Tool]) -> Document:
    return replace(document, clauses=replace(document.clauses, tools=tuple(tools)))


def _decidable_tool(tool: Tool) -> Tool:
    if tool.arguments is None:
        return tool
    return replace(tool, arguments={name: _decidable(one) for name, one in tool.arguments.items()})


def _decidable(constraints: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, written in constraints.items():
        if name in READ_CONVERSATION:
            continue
        if name == "items" and isinstance(written, Mapping):
            written = _decidable(written)
        elif name == "properties" and isinstance(written, Mapping):
            written = {member: _decidable(inner) for member, inner in written.items()}
        found[name] = written
    return found
