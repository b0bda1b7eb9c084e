"""Failures, repetitions and refusals of an agent that come more often than they used to."""

from dataclasses import replace

from gateway.immune.cusum import Rate
from gateway.immune.detection import Detection, found
from gateway.immune.finding import Finding, FindingType
from gateway.immune.state import Watched
from gateway.model.errors import CODES
from gateway.model.vitals import Vitals

UPSTREAM = frozenset({"upstream_unavailable", "upstream_timeout", "upstream_invalid"})
DENIED = frozenset({"policy_denied", "tool_call_denied", "model_not_allowed", "intent_required", "intent_invalid"})
# What the gateway refuses for its own reasons says nothing about the agent, or would feed on itself; what it refuses
# because it cannot be read has cost nobody anything, and who comes too late with a token was denied nothing new.
UNCOUNTED = frozenset(CODES) - UPSTREAM - DENIED | {"client_gone"}

TYPES: dict[str, FindingType] = {
    "errors": "error_rate_spike",
    "provider_errors": "error_rate_spike",
    "tool_errors": "error_rate_spike",
    "retries": "high_retry_rate",
    "denials": "denied_burst",
}
HARD_RUN = 10
"""So many errors in a row, all the doing of an agent that once did well, are evidence by themselves."""


def rates(state: Watched, vitals: Vitals, detection: Detection) -> list[Finding]:
    """Count one exchange."""
    error = vitals.error_type
    if error in UNCOUNTED:
        return []
    told: list[Finding] = []
    failed, denied = _failed(vitals), vitals.denied_calls > 0 or error in DENIED
    bad = (
        ("errors", failed == "errors"),
        ("provider_errors", failed == "provider_errors"),
        ("tool_errors", vitals.tool_errors > 0),
        ("retries", vitals.retries > 0 and not denied),  # to ask again for what is denied is one thing, not two
        ("denials", denied),
    )
    for metric, is_bad in bad:
        rate = state.rates.get(metric)
        if rate is None:
            rate = state.rates[metric] = Rate()
        alarm = rate.take(is_bad)
        hard = rate.run >= HARD_RUN and metric == "errors" and state.warm
        if alarm or hard:
            finding = found(vitals, TYPES[metric], metric, None, status=vitals.status, error=error)
            told.append(replace(finding, hard=hard))
    return told


def _failed(vitals: Vitals) -> str | None:
    """Which kind of failure this was."""
    error, status = vitals.error_type, vitals.status
    if error in DENIED:
        return None
    if error in UPSTREAM or status >= 500 or status in (408, 429):
        return "provider_errors"
    return "errors" if error is not None or status >= 400 else None
