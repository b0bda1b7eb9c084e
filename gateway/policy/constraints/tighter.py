"""Whether one set of constraints lets through nothing that another does not: what a delegated intent must show.

It is sound, not complete: True only where it is certain for every value and every conversation. Regular expressions,
for one, are never compared with each other.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.model.agent import Agent
from gateway.policy.commands.jail import covers as path_covers
from gateway.policy.commands.jail import inside
from gateway.policy.constraints import hosts
from gateway.policy.constraints.compiling import MAKERS, compiled, constraints_in
from gateway.policy.constraints.plain import same
from gateway.policy.constraints.scope import Scope, Where
from gateway.policy.names import Names
from gateway.policy.question import Facts

Demands = Mapping[str, Any]
Implied = Callable[[Demands, Any], bool]

_KINDS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string"}),
    "number": frozenset({"integer", "fraction"}),
    "integer": frozenset({"integer"}),
    "boolean": frozenset({"boolean"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
    "null": frozenset({"null"}),
}
_ALL = frozenset().union(*_KINDS.values())
# Values that pass one of these are of these kinds. Not `command`: where arguments are programs, other kinds pass too.
_IMPLIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("minimum", "maximum", "sum_max"), _KINDS["number"]),
    **dict.fromkeys(("min_length", "max_length", "host_in", "path_in"), _KINDS["string"] | _KINDS["array"]),
    "pattern": _KINDS["string"],
    "items": _KINDS["array"],
    "properties": _KINDS["object"],
}
_NEEDS_MORE = frozenset({"provenance", "from_step", "sum_max"})


def tighter(child: Demands, parent: Demands) -> bool:
    """Whether every value that passes `child` certainly passes `parent`, in the same conversation.

    Both are constraints of one argument as `read_constraints` gives them. Sums of both have to be counted together.
    """
    if not child.keys() | parent.keys() <= MAKERS.keys():
        return False
    return all(_implied(child, name, demand) for name, demand in parent.items())


def _implied(child: Demands, name: str, demand: Any) -> bool:
    if name in child and same(child[name], demand):
        return True
    values = _values(child)
    if values is not None and _decidable(name, demand, values):
        return _all_pass(values, {name: demand})
    return _COMPARED[name](child, demand)


def _values(child: Demands) -> list[Any] | None:
    """All values that may pass, where they are listed."""
    return [child["const"]] if "const" in child else child.get("enum")


def _decidable(name: str, demand: Any, values: list[Any]) -> bool:
    """Whether listed values can be judged now, whatever the conversation and however they are spelled later."""
    names = {one for one, _, _ in constraints_in({name: demand}, _nowhere(), Where.inside)}
    if names & _NEEDS_MORE:
        return False
    # `not_pattern` reads numbers as text, and 1 is also 1.0 to `const` and `enum`.
    return "not_pattern" not in names or not any(map(_holds_number, values))


def _holds_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_number, value.values()))
    if isinstance(value, list):
        return any(map(_holds_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all_pass(values: list[Any], demands: Demands) -> bool:
    """Whether all pass, both as arguments of a tool and as programs that run commands."""
    names, facts = Names(), Facts(Agent(""), 0.0, {})
    holds = compiled(demands, _nowhere())
    return all(holds(value, Scope(facts, names, program)) is None for value in values for program in (False, True))


def _nowhere() -> Where:
    return Where("", "", "", Names())


def _kinds(child: Demands) -> frozenset[str]:
    kinds = _ALL
    for name, demand in child.items():
        if name == "type":
            kinds &= _kinds_of(demand)
        else:
            kinds &= _IMPLIES.get(name, _ALL)
    return kinds


def _kinds_of(types: str | list[str]) -> frozenset[str]:
    return frozenset().union(*(_KINDS[name] for name in ([types] if isinstance(types, str) else types)))


def _type(child: Demands, wanted: Any) -> bool:
    return _kinds(child) <= _kinds_of(wanted)


def _at_least(name: str) -> Implied:
    return lambda child, wanted: name in child and child[name] >= wanted


def _at_most(name: str) -> Implied:
    return lambda child, wanted: name in child and child[name] <= wanted


def _never(child: Demands, wanted: Any) -> bool:
    return False


def _host_in(child: Demands, wanted: list[str]) -> bool:
    return "host_in" in child and hosts.covers(wanted, child["host_in"])


def _path_in(child: Demands, wanted: list[str]) -> bool:
    return "path_in" in child and _all_covered(wanted, child["path_in"])


def _all_covered(wanted: list[str], given: list[str]) -> bool:
    return all(any(path_covers(wide, narrow) for wide in wanted) for narrow in given)


def _command(child: Demands, wanted: Mapping[str, Any]) -> bool:
    given = child.get("command")
    if given is None or not set(given["allow"]) <= set(wanted["allow"]):
        return False
    if not wanted.get("paths"):
        return True
    paths = given.get("paths", [])
    # Some commands may only touch what is inside the directories that patterns name, not these.
    return bool(paths) and _all_covered(wanted["paths"], paths) and _all_covered(inside(wanted["paths"]), inside(paths))


def _provenance(child: Demands, wanted: list[str]) -> bool:
    return "provenance" in child and set(child["provenance"]) <= set(wanted)


def _sum_max(child: Demands, wanted: Mapping[str, Any]) -> bool:
    given = child.get("sum_max")
    return given is not None and given["per"] == wanted["per"] and bool(given["value"] <= wanted["value"])


def _items(child: Demands, wanted: Demands) -> bool:
    return "items" in child and tighter(child["items"], wanted)


def _properties(child: Demands, wanted: Mapping[str, Demands]) -> bool:
    given = child.get("properties")
    return given is not None and all(name in wanted and tighter(one, wanted[name]) for name, one in given.items())


_COMPARED: Mapping[str, Implied] = {
    "const": _never,
    "enum": _never,
    "type": _type,
    "minimum": _at_least("minimum"),
    "maximum": _at_most("maximum"),
    "min_length": _at_least("min_length"),
    "max_length": _at_most("max_length"),
    "pattern": _never,
    "not_pattern": _never,
    "path_in": _path_in,
    "host_in": _host_in,
    "command": _command,
    "provenance": _provenance,
    "from_step": _never,
    "sum_max": _sum_max,
    "items": _items,
    "properties": _properties,
}
