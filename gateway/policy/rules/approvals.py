"""`approval`: whether a person has to approve a call that is otherwise allowed. Never denies by itself."""

from gateway.policy.rules.call import Call
from gateway.policy.rules.entry import Entry


def needing_approval(entries: tuple[Entry, ...], call: Call) -> Entry | None:
    """The first entry that demands it. What cannot be compared with a number is above it."""
    return next((entry for entry in entries if _needs(entry, call)), None)


def _needs(entry: Entry, call: Call) -> bool:
    approval = entry.tool.approval
    if approval is None or approval.kind == "off":
        return False
    if approval.kind == "always":
        return True
    value = (call.arguments or {}).get(approval.argument)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return not value <= approval.value
