"""`always_blocked`: denied in every mode, and no person can lift it for one call."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.patterns import Patterns
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where the document blocks nothing."""
    document, patterns = rules.name, Patterns(rules.clauses.always_blocked)

    def check(call: Call) -> Found | None:
        position = patterns.first(call.targets_of(document), call.server)
        if position is None:
            return None
        return Found(f"always_blocked/{position}", f"{patterns.all[position].text} is always blocked", lasting=True)

    return check if patterns else None
