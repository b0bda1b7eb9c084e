"""What one document's `tools` say of one tool, compiled."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.policy.actions import fits, normal
from gateway.policy.clauses import Tool
from gateway.policy.constraints.compiling import compiled, constraints_in, counts_in
from gateway.policy.constraints.scope import Holds, Where
from gateway.policy.names import Names
from gateway.policy.rules.patterns import action_of
from gateway.policy.verdict import Count

_HOLE = re.compile(r"\{([^{}]*)\}")


class Entry:
    """One member of `tools`. `constraints` by argument; None: the arguments are open. `demands`: which constraints."""

    def __init__(self, tool: Tool, document: str, names: Names) -> None:
        self.tool = tool
        self.constraints: dict[str, Holds] | None = None
        self.counts: tuple[Count, ...] = ()
        self.demands: frozenset[str] = frozenset()
        if tool.arguments is not None:
            demands = {
                name: (wanted, Where(document, tool.name, name, names)) for name, wanted in tool.arguments.items()
            }
            self.constraints = {name: compiled(wanted, where) for name, (wanted, where) in demands.items()}
            found = [one for wanted, where in demands.values() for one in constraints_in(wanted, where, Where.inside)]
            self.counts = tuple(count for wanted, where in demands.values() for count in counts_in(wanted, where))
            self.demands = frozenset(name for name, _, _ in found)
        self.rule = f"tools/{tool.name}"
        self.action = normal(tool.action) if tool.action is not None else None
        self.maps = tool.action is not None or tool.resource is not None
        # Texts and names of arguments by turns, beginning and ending with a text.
        self._resource = _HOLE.split(tool.resource) if tool.resource is not None else [""]

    def resource(self, arguments: Mapping[str, Any] | None) -> str | None:
        """The template filled in; None where an argument that it names is missing or is no plain value."""
        parts = self._resource
        if len(parts) == 1:
            return parts[0]
        filled = [parts[0]]
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            value = (arguments or {}).get(name)
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                return None
            filled += [_written(value), text]
        return "".join(filled)


def _written(value: str | int | float) -> str:
    """One form of a number: whoever reads 1.0 or 1e0 may take it for 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class Entries:
    """All entries of one document."""

    def __init__(self, tools: Iterable[Tool], document: str, names: Names) -> None:
        self.all = tuple(Entry(tool, document, names) for tool in tools)
        self._exact: dict[str, list[Entry]] = {}
        self._loose: list[Entry] = []
        for entry in self.all:
            key = entry.tool.key
            if "*" in key.verb or "*" in key.noun:
                self._loose.append(entry)
            else:
                self._exact.setdefault(action_of(key), []).append(entry)
        self._by_action: dict[str, list[Entry]] = {}
        for entry in self.all:
            if entry.action is not None:
                self._by_action.setdefault(entry.action, []).append(entry)

    def of(self, name: str, server: str | None, *, is_action: bool = False) -> Sequence[Entry]:
        """The entries about a tool whose name has this normal form, those that name its server first.

        With `is_action` the name is that of an action; then those of the tools that do it are meant too.
        """
        found = [entry for entry in self._exact.get(name, ()) if entry.tool.key.server in (None, server)]
        found += [entry for entry in self._loose if fits(entry.tool.key, name, "", server)]
        if is_action:
            found += [entry for entry in self._by_action.get(name, ()) if entry not in found]
        if len(found) > 1:
            found.sort(key=lambda entry: entry.tool.key.server is None)
        return found
