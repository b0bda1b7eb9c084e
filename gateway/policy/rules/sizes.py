"""`sizes.arguments_bytes`: how long the arguments of one call may be."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where the document sets no bound."""
    most = rules.clauses.sizes.arguments_bytes
    if most is None:
        return None

    def check(call: Call) -> Found | None:
        if call.question.size <= most:
            return None
        return Found("sizes/arguments_bytes", f"its arguments are longer than {most} bytes")

    return check
