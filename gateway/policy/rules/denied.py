"""`deny`, of the document and of the mode it is in."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.patterns import Patterns
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where neither the document nor one of its modes denies anything."""
    document, patterns = rules.name, Patterns(rules.clauses.deny)

    def check(call: Call) -> Found | None:
        targets = call.targets_of(document)
        position = patterns.first(targets, call.server)
        if position is not None:
            return Found(f"deny/{position}", f"{patterns.all[position].text} is denied")
        mode = rules.mode(call.facts)
        if mode is None or (position := mode.deny.first(targets, call.server)) is None:
            return None
        text = mode.deny.all[position].text
        return Found(f"modes/{mode.name}/deny/{position}", f"{text} is denied in mode {mode.name}")

    return check if patterns or any(mode.deny for mode in rules.modes.values()) else None
