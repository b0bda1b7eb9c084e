"""A document without some of what it says, for questions in which that cannot be answered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.policy.clauses import Tool
from gateway.policy.constraints.compiling import READ_CONVERSATION, constraints_in
from gateway.policy.document import Document


def decidable(document: Document) -> Document:
    """Without the constraints that only a conversation can answer."""
    return _with_tools(document, [_decidable_tool(tool) for tool in document.clauses.tools])


def without_arguments(document: Document) -> Document:
    """Without any constraint on arguments: what may be called with some arguments or others."""
    return _with_tools(document, [replace(tool, arguments=None) for tool in document.clauses.tools])


def conversational(arguments: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """The constraints that `decidable` leaves out, by their place."""
    return [
        (f"{at}.{name}", written)
        for argument, constraints in arguments.items()
        for name, written, at in constraints_in(constraints, argument, _inside)
        if name in READ_CONVERSATION
    ]


def _inside(at: str, member: str | None) -> str:
    return f"{at}[]" if member is None else f"{at}.{member}"


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
        if name == "items":
            written = _decidable(written)
        elif name == "properties":
            written = {member: _decidable(inner) for member, inner in written.items()}
        found[name] = written
    return found
