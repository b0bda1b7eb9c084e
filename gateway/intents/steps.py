"""Which step of an intent a call fits, or why none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.intents.canonical import canonical
from gateway.intents.claims import Step

# The nearer a call came to a step, the later.
_PROBLEMS = ("tool_not_in_intent", "arguments_mismatch", "step_order", "uses_exhausted")


def find(
    steps: Sequence[Step],
    tool: str,
    server: str | None,
    arguments: Any,
    holds: Callable[[Step, Mapping[str, Any]], bool],
    used: Callable[[str], int],
    done: Callable[[str], bool] | None = None,
) -> Step | str:
    """The first step that the call fits, else the word for what is wrong with the one it came nearest to:
    `tool_not_in_intent`, `arguments_mismatch`, `step_order`, `uses_exhausted`.

    Args:
        tool, server: the tool's own name, and the MCP server it is on where that is known; compared exactly.
        arguments: read strictly.
        holds: whether the arguments are what the step's `constraints` demand; asked only where it has some.
        used: how often the step of this id was used under this intent.
        done: whether the step of this id was used by whoever shares the intent's counters; None: as `used` says.
    """
    came = 0
    for step in steps:
        stage = _stage(step, tool, server, arguments, holds, used, done)
        if stage == len(_PROBLEMS):
            return step
        came = max(came, stage)
    return _PROBLEMS[came]


def _stage(
    step: Step,
    tool: str,
    server: str | None,
    arguments: Any,
    holds: Callable[[Step, Mapping[str, Any]], bool],
    used: Callable[[str], int],
    done: Callable[[str], bool] | None,
) -> int:
    """How many of the four things that can be wrong are not."""
    if step.tool != tool or (step.server is not None and step.server != server):
        return 0
    if not _takes(step, arguments, holds):
        return 1
    if not all(done(id) if done is not None else used(id) > 0 for id in step.after):
        return 2
    return 3 if used(step.id) >= step.max_uses else 4


def _takes(step: Step, arguments: Any, holds: Callable[[Step, Mapping[str, Any]], bool]) -> bool:
    if step.arguments is not None and not equal(arguments, step.arguments):
        return False
    if step.constraints is None:
        return True
    return isinstance(arguments, dict) and arguments.keys() <= step.constraints.keys() and holds(step, arguments)


def equal(one: Any, other: Any) -> bool:
    """Whether two values have one RFC 8785 form; what has none equals nothing."""
    try:
        return canonical(one) == canonical(other)
    except ValueError:
        return False
