"""`secrets: deny`: no call leaves whose arguments hold a credential."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.secrets import kinds_in


def guard(rules: Ruleset) -> Check | None:
    """None where the document does not deny secrets: covering them in an answer would change the call."""

    def check(call: Call) -> Found | None:
        kinds = kinds_in(call.question.arguments)
        return Found("secrets", f"its arguments hold a secret ({kinds[0]})") if kinds else None

    return check if rules.clauses.secrets == "deny" else None
