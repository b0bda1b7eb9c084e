"""`provenance` and `from_step`: where a value comes from, and whether an earlier step gave it."""

from collections.abc import Iterable
from typing import Any

from gateway.policy.constraints.plain import same
from gateway.policy.constraints.scope import Holds, Scope, Where
from gateway.policy.provenance import comes_from, from_step


def provenance(wanted: list[str], where: Where) -> Holds:
    """Every text and number of the value must come from one of the sources."""
    allowed = frozenset(_spelled(wanted, where))
    phrase = f"does not come from {' or '.join(wanted)}"

    def holds(value: Any, scope: Scope) -> str | None:
        if _judged_elsewhere(scope):
            return None
        memory = scope.facts.memory
        if memory is None and scope.untrusted:
            return "may have been read before, which cannot be known now"
        fits = comes_from(
            value,
            allowed,
            scope.facts.transcript,
            untrusted=scope.untrusted,
            tainted=memory.tainted if memory is not None and scope.untrusted else _never,
            name=scope.names.known_as,
        )
        return None if fits else phrase

    return holds


def _spelled(wanted: Iterable[str], where: Where) -> Iterable[str]:
    for source in wanted:
        kind, _, tool = source.partition(":")
        if kind == "tool":
            yield from (f"tool:{name}" for name in where.names.all_known_as(tool))
        else:
            yield source


def _never(value: str) -> bool:
    return False


def step(wanted: dict[str, str], where: Where) -> Holds:
    """The value must be one that the tool gave at the path, earlier in the conversation."""
    tools = where.names.all_known_as(wanted["tool"])
    phrase = f"is not what {wanted['tool']} gave at {wanted['path']}"

    def holds(value: Any, scope: Scope) -> str | None:
        if _judged_elsewhere(scope):
            return None
        for tool in tools:
            given = from_step(scope.facts.transcript, tool, wanted["path"], name=scope.names.known_as)
            if any(same(value, one) for one in given):
                return None
        return phrase

    return holds


def _judged_elsewhere(scope: Scope) -> bool:
    """Whether the conversation was looked at when a model proposed the call, or is with each call of a step."""
    return scope.facts.proposed or scope.facts.declaring
