"""`intent: required`: the call has to be a step of an intent that was declared before."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where no tool of the document needs one. Nothing can show an intent yet, so what needs one is denied."""
    document = rules.name

    def check(call: Call) -> Found | None:
        if call.facts.declaring:
            return None
        for entry in call.entries.get(document, ()):
            if entry.tool.intent == "required":
                return Found(f"{entry.rule}/intent", "it needs an intent token, which the gateway cannot take yet")
        return None

    return check if any(entry.tool.intent == "required" for entry in rules.entries.all) else None
