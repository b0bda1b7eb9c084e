"""The tools that an MCP server lists, read into what is pinned of each.

A definition is everything a model may read of a tool, and everything that calls are held to. Its hash is of its RFC
8785 form; definitions that have none, for whole numbers of 2^53 and more, are hashed as JSON with sorted keys.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from gateway.intents.canonical import canonical, thumb
from gateway.model.value import value

MEMBERS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
MOST = 2000
"""Tools of one server; further ones are not pinned, so not used."""
LONGEST_NAME = 256
LARGEST = 256 * 1024
"""Bytes of one definition."""
_DEEPEST = 100

TWICE = "the server lists it twice, and not alike"
LARGE = f"it is longer than {LARGEST} bytes"
DEEP = f"it is nested more than {_DEEPEST} levels deep"
MANY = f"the server lists more than {MOST} tools"


@value
class Definition:
    """One tool. `document` has those of `MEMBERS` that are given.

    Attributes:
        hash: 43 characters; None for a definition that cannot be pinned: then `problem` says why.
    """

    name: str
    document: Mapping[str, Any]
    hash: str | None
    problem: str | None = None


def read_tools(tools: Iterable[Any]) -> dict[str, Definition]:
    """Definitions by name, at most one more than `MOST`; what has no name that a call could say is left out."""
    found: dict[str, Definition] = {}
    for tool in tools:
        if type(tool) is not dict or type(name := tool.get("name")) is not str or not 0 < len(name) <= LONGEST_NAME:
            continue
        read = _read(name, tool)
        known = found.get(name)
        if known is not None:
            if known.hash is None or known.hash != read.hash:
                found[name] = Definition(name, {"name": name}, None, TWICE)
        elif len(found) < MOST:
            found[name] = read
        else:
            found.setdefault(name, Definition(name, {"name": name}, None, MANY))
            break
    return found


def members(tool: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tool is pinned. A member that is null is taken for one that is not there."""
    return {name: tool[name] for name in MEMBERS if tool.get(name) is not None}


def says_no_more(tool: Mapping[str, Any], pinned: Mapping[str, Any]) -> bool:
    """Whether a tool as somebody was shown it says what is pinned, or less: older revisions leave members out."""
    return all(tool.get(name) is None or tool[name] == pinned.get(name) for name in MEMBERS)


def texts_of(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a definition that a model may read, keys too, with the member that it stands in."""
    for member, held in definition.items():
        rest = [held]
        while rest:
            one = rest.pop()
            if isinstance(one, str):
                yield member, one
            elif isinstance(one, list):
                rest += one
            elif isinstance(one, dict):
                rest += one.keys()
                rest += one.values()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The members that differ, with what they were and are; null for one that is not there."""
    return [
        {"member": name, "before": before.get(name), "after": after.get(name)}
        for name in MEMBERS
        if before.get(name) != after.get(name)
    ]


def _read(name: str, tool: Mapping[str, Any]) -> Definition:
    document = members(tool)
    if _is_deep(document):
        return Definition(name, {"name": name}, None, DEEP)
    if len(orjson.dumps(document)) > LARGEST:
        return Definition(name, {"name": name}, None, LARGE)
    return Definition(name, document, _hash(document))


def _hash(document: Mapping[str, Any]) -> str:
    try:
        return thumb(canonical(document))
    except ValueError:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return thumb(b"json:" + text.encode())


def _is_deep(document: Mapping[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for one in level:
            inner += [
                each for each in (one.values() if isinstance(one, dict) else one) if isinstance(each, dict | list)
            ]
        if not inner:
            return False
        level = inner
    return True
