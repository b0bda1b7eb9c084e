"""What some mode allows is allowed only there; the start mode's list holds in every mode."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None for a document without modes, or with one only."""
    document, modes = rules.name, tuple(rules.modes.values())

    def check(call: Call) -> Found | None:
        current = rules.mode(call.facts) or modes[0]
        for target in call.targets_of(document):
            allowing = [mode for mode in modes if mode.allow.first((target,), call.server) is not None]
            if allowing and modes[0] not in allowing and current not in allowing:
                only = ", ".join(mode.name for mode in allowing)
                reason = f"{call.shown()} is not allowed in mode {current.name}, only in {only}"
                return Found(f"modes/{current.name}", reason)
        return None

    return check if len(modes) > 1 else None
