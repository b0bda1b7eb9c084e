"""The steps by which a call is decided, over all the documents that are about its agent.

1. What any of them denies is denied. 2. What some mode allows is allowed only in that mode. 3. What one of them allows,
or names among its tools, is allowed. 4. Else the default of the most specific decides; of equals, a denial. 5. Where
nobody has a say, it is allowed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.policy.clauses import OnDeny
from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.order import GUARDS
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.rules.sequence import counts_of
from gateway.policy.verdict import Count, Verdict


class Guarded:
    """One document with its guards, ready to be asked."""

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules
        self.name = rules.name
        made = [(name, guard(rules)) for name, guard in GUARDS]
        self.guards: tuple[tuple[str, Check], ...] = tuple((name, check) for name, check in made if check is not None)
        self._checks = tuple(check for _, check in self.guards)
        self.memory_keys: tuple[Count, ...] = (
            *counts_of(rules),
            *(count for entry in rules.entries.all for count in entry.counts),
        )
        asks = any(entry.tool.approval is not None and entry.tool.approval.kind != "off" for entry in rules.entries.all)
        bounded = rules.clauses.most_calls is not None
        self.idle = not (asks or bounded or self._checks) and rules.default != "deny"

    def denials(self, call: Call) -> Iterator[Found]:
        """What it has against the call, in the order of the guards; each guard says one thing at most."""
        for check in self._checks:
            if (found := check(call)) is not None:
                yield found


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and by which document; None: nobody had a say."""

    allowed: bool
    by: Ruleset | None = None
    rule: str = ""
    reason: str = ""
    on_deny: OnDeny = OnDeny()

    @property
    def full_rule(self) -> str:
        """The rule as it is told: the document's name before it."""
        return f"{self.by.name}/{self.rule}" if self.by is not None else self.rule


_WITHOUT_ARGUMENTS = frozenset({"always_blocked", "deny", "only", "modes"})
NOBODY = Decision(True)


def decide(documents: Sequence[Guarded], call: Call) -> Decision:
    """The documents must be in order: those about everyone last."""
    held = None
    for decision in denials(documents, call):
        # A person may lift a held denial for one call; a denial that none may lift goes before it.
        if decision.on_deny.kind != "hold":
            return decision
        held = held or decision
    return held or _allowed_by_mode(documents, call) or _allowed(documents, call) or _default(documents, call)


def denials(documents: Sequence[Guarded], call: Call) -> Iterator[Decision]:
    """Everything that any of them has against the call."""
    for judged in documents:
        for found in judged.denials(call):
            yield Decision(False, judged.rules, found.rule, found.reason, _on_deny(judged.name, call, found))


def _on_deny(document: str, call: Call, found: Found) -> OnDeny:
    """A document says itself whether what it denies may be held; an entry of another cannot make it less."""
    own = call.entries.get(document)
    if own:
        chosen = found.on_deny or own[0].tool.on_deny
        return OnDeny() if found.lasting and chosen.kind == "hold" else chosen
    for entries in call.entries.values():
        if entries[0].tool.on_deny.kind == "error":
            return entries[0].tool.on_deny
    return OnDeny()


def _allowed_by_mode(documents: Sequence[Guarded], call: Call) -> Decision | None:
    for judged in documents:
        rules = judged.rules
        for mode in rules.allowing_modes(call.facts):
            position = call.allowed_at(mode.allow, rules.name)
            if position is not None:
                return Decision(True, rules, f"modes/{mode.name}/allow/{position}", f"allowed in mode {mode.name}")
    return None


def _allowed(documents: Sequence[Guarded], call: Call) -> Decision | None:
    for judged in documents:
        rules = judged.rules
        position = call.allowed_at(rules.allow, rules.name)
        if position is not None:
            return Decision(True, rules, f"allow/{position}", f"{rules.allow.all[position].text} is allowed")
        if own := call.entries.get(rules.name):
            return Decision(True, rules, own[0].rule, "its arguments hold")
    return None


def _default(documents: Sequence[Guarded], call: Call) -> Decision:
    found = None
    for judged in documents:
        rules = judged.rules
        if rules.default is None:
            continue
        if found is not None and rules.level > found.level:
            break
        if rules.default == "deny":
            reason = f"nothing in policy {rules.name} allows {call.shown()}"
            return Decision(False, rules, "default", reason)
        found = found or rules
    return NOBODY if found is None else Decision(True, found, "default", "allowed by default")


def possible(documents: Sequence[Guarded], call: Call) -> bool:
    """Whether some call of this tool could be allowed now, with whatever arguments."""
    for judged in documents:
        if any(check(call) is not None for name, check in judged.guards if name in _WITHOUT_ARGUMENTS):
            return False
    for judged in documents:
        rules, targets = judged.rules, call.targets_of(judged.name)
        lists = (rules.allow, *(mode.allow for mode in rules.allowing_modes(call.facts)))
        if rules.name in call.entries or any(one.may_fit(targets, call.server) for one in lists):
            return True
    return _default(documents, call).allowed


def verdict(decision: Decision, documents: Sequence[Guarded], call: Call) -> Verdict:
    """The decision as it is told."""
    by = decision.by
    action, resource = (call.targets_of(by.name) if by is not None else call.others)[0]
    mode = by.mode(call.facts) if by is not None else None
    if mode is None:
        modes = (judged.rules.mode(call.facts) for judged in documents)
        mode = next((found for found in modes if found is not None), None)
    return Verdict(
        decision.allowed,
        decision.full_rule,
        decision.reason,
        action,
        resource,
        mode.name if mode is not None else None,
        by.label if by is not None else None,
        decision.on_deny,
    )
