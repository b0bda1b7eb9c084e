"""What an agent reads in place of tool calls. Of a refused one never an argument, which may be the harm itself."""

import re
from collections.abc import Sequence

from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial, Withhold

UNREADABLE = "gateway/unreadable-call"
"""The rule under which the gateway itself withholds calls that it cannot read."""

_NAME = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def refusal_text(denials: Sequence[Denial], *, advice: str = "Do not repeat a refused call unchanged.") -> str:
    """One line for each refused call, then what to do now. Plain text that a model can act on."""
    lines = [
        f"The call to {called(denial.tool)} was refused by rule {denial.rule}: {denial.reason}" for denial in denials
    ]
    lines.append(f"None of the tool calls of this turn was executed. {advice}")
    return "\n".join(lines)


def plan_text(calls: Sequence[ToolCall]) -> str:
    """What an agent reads in place of calls that are only planned."""
    lines = (f"{number}. {call.name} {call.arguments}".rstrip() for number, call in enumerate(calls, 1))
    return "\n".join(["Plan (not executed):", *lines])


def unreadable(calls: Sequence[ToolCall]) -> Withhold:
    """The ruling on a turn of which at least one call has a `problem`."""
    denials = tuple(
        Denial(tool=tool_name(call.name), rule=UNREADABLE, reason=f"The call cannot be read: {call.problem}.")
        for call in calls
        if call.problem is not None
    )
    return Withhold(text=refusal_text(denials), denied=denials)


def tool_name(name: str) -> str:
    """The name if it may be said: a model could hide anything in an invented one."""
    return name if _NAME.fullmatch(name) else "a tool"


def denied_members(denied: Sequence[Denial]) -> list[dict[str, str | None]]:
    """The `denied` list of the `leuko` member that a refused choice, response or message carries."""
    return [{"tool": tool_name(one.tool), "rule": one.rule, "decision_id": one.decision_id} for one in denied]


def called(name: str) -> str:
    """A tool as a sentence names it."""
    shown = tool_name(name)
    return shown if shown == "a tool" else f"the tool {shown}"
