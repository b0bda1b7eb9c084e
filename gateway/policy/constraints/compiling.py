"""All constraints of one argument as one closure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from gateway.policy.constraints import commands, hosts, origins, sums
from gateway.policy.constraints.plain import PLAIN
from gateway.policy.constraints.scope import Holds, Make, Scope, Where
from gateway.policy.verdict import Count

MAKERS: Mapping[str, Make] = {
    **PLAIN,
    "host_in": hosts.make,
    "path_in": commands.path_in,
    "command": commands.command,
    "provenance": origins.provenance,
    "from_step": origins.step,
    "sum_max": sums.make,
    "items": lambda wanted, where: _items(wanted, where),
    "properties": lambda wanted, where: _properties(wanted, where),
}
READ_CONVERSATION = frozenset({"provenance", "from_step"})
At = TypeVar("At")


def compiled(wanted: Mapping[str, Any], where: Where) -> Holds:
    """One check of everything demanded. Amounts are counted last, of a value that is otherwise fine.

    Raises ValueError for a constraint that there is not: a document that was read has none.
    """
    if unknown := wanted.keys() - MAKERS.keys():
        raise ValueError(f"unknown constraints: {', '.join(sorted(unknown))}")
    checks = [MAKERS[name](demand, where) for name, demand in wanted.items() if name != "sum_max"]
    checks += [MAKERS[name](demand, where) for name, demand in wanted.items() if name == "sum_max"]
    if len(checks) == 1:
        return checks[0]

    def holds(value: Any, scope: Scope) -> str | None:
        for check in checks:
            if (phrase := check(value, scope)) is not None:
                return phrase
        return None

    return holds


def _items(wanted: Mapping[str, Any], where: Where) -> Holds:
    inner = compiled(wanted, where)

    def holds(value: Any, scope: Scope) -> str | None:
        if not isinstance(value, list):
            return "is not a list"
        phrase = next((found for item in value if (found := inner(item, scope)) is not None), None)
        return None if phrase is None else f"has an item that {phrase}"

    return holds


def _properties(wanted: Mapping[str, Mapping[str, Any]], where: Where) -> Holds:
    """As arguments: members that are not named are not allowed, named ones need not be there."""
    inner = {name: compiled(demands, where.inside(name)) for name, demands in wanted.items()}

    def holds(value: Any, scope: Scope) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        if value.keys() - inner.keys():
            return f"has a member other than {', '.join(list(inner)[:10])}"
        for name, member in value.items():
            if (phrase := inner[name](member, scope)) is not None:
                return f"has a member `{name}` that {phrase}"
        return None

    return holds


def constraints_in(
    wanted: Mapping[str, Any], at: At, inside: Callable[[At, str | None], At]
) -> Iterator[tuple[str, Any, At]]:
    """Every constraint, nested ones too, with its demand and its place.

    Args:
        inside: the place of a member of the value at a place, or (None) of its items.
    """
    for name, demand in wanted.items():
        yield name, demand, at
        if name == "items":
            yield from constraints_in(demand, inside(at, None), inside)
        elif name == "properties":
            for member, demands in demand.items():
                yield from constraints_in(demands, inside(at, member), inside)


def counts_in(wanted: Mapping[str, Any], where: Where) -> Iterator[Count]:
    """What these constraints have counted."""
    found = constraints_in(wanted, where, Where.inside)
    return (sums.count_of(demand, at) for name, demand, at in found if name == "sum_max")
