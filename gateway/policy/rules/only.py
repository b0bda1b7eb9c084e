"""`only`: whatever is not in this list is denied, and what is in it is not allowed by that."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.patterns import Patterns
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where the document has no such list. An empty one denies everything."""
    document, listed = rules.name, rules.clauses.only
    if listed is None:
        return None
    patterns = Patterns(listed)

    def check(call: Call) -> Found | None:
        if call.allowed_at(patterns, document) is not None:
            return None
        return Found("only", f"{call.shown()} is not among what the agent may do at the moment")

    return check
