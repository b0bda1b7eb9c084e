"""`intent: required`: the call has to be a step of an intent that was declared before; see `policy.intending`."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where no tool of the document needs one. Whether one that is presented fits is not asked here."""
    document = rules.name

    def check(call: Call) -> Found | None:
        if call.facts.declaring or call.facts.intent is not None:
            return None
        for entry in call.entries.get(document, ()):
            if entry.tool.intent == "required":
                return Found(f"{entry.rule}/intent", "intent_required: no intent token was presented for it")
        return None

    return check if any(entry.tool.intent == "required" for entry in rules.entries.all) else None
