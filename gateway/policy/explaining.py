"""Every rule that is looked at to decide a call, whether it fits, and why."""

from collections.abc import Iterator, Sequence

from gateway.model.value import value
from gateway.policy.deciding import Guarded
from gateway.policy.rules.approvals import needing_approval
from gateway.policy.rules.call import Call
from gateway.policy.rules.patterns import Patterns

_LISTED = frozenset({"always_blocked", "deny"})


@value
class Looked:
    """One rule. `effect` is what it does to a call that it fits: deny, allow, approval."""

    rule: str
    effect: str
    matched: bool
    why: str = ""


def looked(documents: Sequence[Guarded], call: Call) -> Iterator[Looked]:
    """In the order of the documents, and in each of the sections that deny before those that allow."""
    for judged in documents:
        yield from _denying(judged, call)
        yield from _allowing(judged, call)


def _denying(judged: Guarded, call: Call) -> Iterator[Looked]:
    rules, clauses = judged.rules, judged.rules.clauses
    yield from _listed(judged, call, "always_blocked", Patterns(clauses.always_blocked), "deny")
    yield from _listed(judged, call, "deny", Patterns(clauses.deny), "deny")
    current = rules.mode(call.facts)
    for mode in rules.modes.values():
        off = "" if mode is current else f"not in mode {mode.name}"
        yield from _listed(judged, call, f"modes/{mode.name}/deny", mode.deny, "deny", off)
    for name, check in judged.guards:
        if name not in _LISTED:
            found = check(call)
            rule = name if found is None else found.rule
            yield Looked(f"{judged.name}/{rule}", "deny", found is not None, "" if found is None else found.reason)


def _allowing(judged: Guarded, call: Call) -> Iterator[Looked]:
    rules, name = judged.rules, judged.name
    allowing = rules.allowing_modes(call.facts)
    for mode in rules.modes.values():
        off = "" if mode in allowing else f"not in mode {mode.name}"
        yield from _listed(judged, call, f"modes/{mode.name}/allow", mode.allow, "allow", off)
    yield from _listed(judged, call, "allow", rules.allow, "allow")
    own = call.entries.get(name, ())
    for entry in rules.entries.all:
        yield Looked(f"{name}/{entry.rule}", "allow", entry in own, "it names the tool" if entry in own else "")
        if entry in own and needing_approval((entry,), call) is not None:
            yield Looked(f"{name}/{entry.rule}/approval", "approval", True, "a person has to approve it")
    if rules.default is not None:
        yield Looked(f"{name}/default", rules.default, True, "of what nothing else decides")


def _listed(
    judged: Guarded, call: Call, section: str, patterns: Patterns, effect: str, off: str = ""
) -> Iterator[Looked]:
    if effect == "allow":
        fitting = set(call.allowing(patterns, judged.name))
    else:
        fitting = set(patterns.fitting(call.targets_of(judged.name), call.server))
    for position, pattern in enumerate(patterns.all):
        matched = position in fitting and not off
        yield Looked(f"{judged.name}/{section}/{position}", effect, matched, off or pattern.text)
