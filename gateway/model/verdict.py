"""What a judge says of one turn's tool calls, and how a refusal is told to the agent."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall


@dataclass(frozen=True, slots=True)
class Denial:
    """One refused call, as the agent may hear of it: never its arguments."""

    tool: str
    rule: str
    reason: str
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Every call of the turn may leave, byte for byte."""


@dataclass(frozen=True, slots=True)
class Withhold:
    """No call of the turn leaves; the agent gets `text` instead and the turn ends as an ordinary one."""

    text: str
    denied: tuple[Denial, ...]


Ruling = Release | Withhold | Refusal
"""A `Refusal` ends the whole answer in the dialect's own error form."""


@dataclass(frozen=True, slots=True)
class Wait:
    """There is no ruling yet: nothing of the turn leaves until `ruling`, called once, has given one."""

    ruling: Callable[[], Awaitable[Ruling]]


Judge = Callable[[Sequence[ToolCall]], Ruling | Wait]
"""Judges the calls of one turn, in order; never blocks."""

RELEASE = Release()


def allow_all(calls: Sequence[ToolCall]) -> Ruling:
    """The judge of a gateway without policy."""
    return RELEASE
