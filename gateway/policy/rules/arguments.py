"""`tools.X.arguments`: a closed vocabulary, each member with its constraints."""

from gateway.policy.constraints.scope import Scope
from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.ruleset import Ruleset

_PROGRAMS = frozenset({"exec"})
"""Custom tools whose text is a program that runs commands, rather than a command."""


def guard(rules: Ruleset) -> Check | None:
    """None where the document leaves all arguments open."""
    document = rules.name

    def check(call: Call) -> Found | None:
        for entry in call.entries.get(document, ()):
            if entry.constraints is not None and (found := _problem(entry, call, rules)) is not None:
                return found
        return None

    return check if any(entry.constraints is not None for entry in rules.entries.all) else None


def _problem(entry: Entry, call: Call, rules: Ruleset) -> Found | None:
    constraints, given = entry.constraints or {}, call.arguments
    if given is None:
        return Found(f"{entry.rule}/arguments", "its arguments have no names")
    if given.keys() - constraints.keys():
        names = ", ".join(list(constraints)[:10]) or "none"
        return Found(f"{entry.rule}/arguments", f"it has an argument other than those allowed: {names}")
    program = call.question.kind == "custom" and call.action in _PROGRAMS
    scope = Scope(call.facts, rules.names, program, call.untrusted, call.counts)
    first = None
    for name, value in given.items():  # all of them: what a person lets through in spite of one still counts
        phrase = constraints[name](value, scope)
        if phrase is not None and first is None:
            first = Found(f"{entry.rule}/{name}", f"argument `{name}` {phrase}")
    return first
