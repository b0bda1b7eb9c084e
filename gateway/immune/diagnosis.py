"""What may be wrong with an agent, ranked, each with how sure that is.

A confidence is the share of like incidents in which people confirmed that cause, smoothed by what the rules below
expect (a Dirichlet prior worth `PRIOR` incidents), and never above what the evidence at hand supports. Incidents are
alike if the same type of finding leads them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from gateway.immune.evidence import FOLLOWS, is_shared, leading
from gateway.immune.finding import Finding, FindingType
from gateway.immune.memory import Cause, Counts, feedback
from gateway.model.value import value

CAUSES: tuple[Cause, ...] = get_args(Cause)
PRIOR = 4.0
EXTERNAL = 0.95  # what the fleet's test leaves open
_LEAST = 0.03

# How much one finding speaks for a cause, from 0 to 1. What is missing from 1 speaks for something unknown.
RULES: Mapping[FindingType, Mapping[Cause, float]] = MappingProxyType(
    {
        "token_spike": {"memory_corruption": 0.5, "cost_overrun": 0.3},
        "input_token_spike": {"memory_corruption": 0.6, "prompt_injection": 0.15},
        "output_token_spike": {"cost_overrun": 0.55, "prompt_drift": 0.25},
        "latency_spike": {"external_cause": 0.5, "tool_instability": 0.15},
        "tool_explosion": {"infinite_loop": 0.6, "tool_instability": 0.15},
        "high_retry_rate": {"tool_instability": 0.5, "external_cause": 0.25},
        "cost_spike": {"cost_overrun": 0.7},
        "prompt_change": {"prompt_drift": 0.7, "prompt_injection": 0.15},
        "tools_change": {"prompt_drift": 0.45, "tool_instability": 0.2, "prompt_injection": 0.15},
        "model_change": {"prompt_drift": 0.5, "cost_overrun": 0.25},
        "error_rate_spike": {"tool_instability": 0.6, "external_cause": 0.2},
        "tool_loop": {"infinite_loop": 0.85},
        "unsanctioned_call": {"prompt_injection": 0.75},
        "denied_burst": {"prompt_injection": 0.6, "prompt_drift": 0.15},
        "identity_evasion": {"prompt_injection": 0.55},
        "new_client": {"prompt_injection": 0.1},
        "drift": {"memory_corruption": 0.5, "prompt_drift": 0.3},
    }
)

_FOLLOWING = 0.3  # of its weight


@value
class Diagnosis:
    """`confidence` from 0 to 1; those of one incident add up to at most 1."""

    cause: Cause
    confidence: float


def diagnose(
    findings: Sequence[Finding], counts: Counts, *, external: bool = False, actual: Cause | None = None
) -> tuple[Diagnosis, ...]:
    """The causes that are worth a treatment, the most likely first; `unknown` is always among them.

    Args:
        counts: the fleet's memory.
        external: the fleet says that the provider is in trouble.
        actual: what a person said about this very incident, which ends all guessing.
    """
    if actual is not None:
        return (Diagnosis(actual, 1.0),)
    first = leading(findings)
    evidence = _evidence(findings, external=external)
    if first is None:
        return (Diagnosis("unknown", 1.0),)
    prior = _shares(evidence)
    said = feedback(counts, first.type, CAUSES)
    total = sum(said.values())
    found = []
    for cause in CAUSES:
        smoothed = (said[cause] + PRIOR * prior[cause]) / (total + PRIOR)
        if cause != "unknown":
            # What people confirmed weighs as much as two more signs like those at hand, and no more.
            smoothed = min(smoothed, 1.0 - (1.0 - evidence.get(cause, 0.0)) ** 3)
        if cause == "unknown" or smoothed >= _LEAST:
            found.append(Diagnosis(cause, round(smoothed, 3)))
    # `unknown` last among equals: a name that may be wrong helps people more than none.
    return tuple(sorted(found, key=lambda d: (-d.confidence, d.cause == "unknown", d.cause)))


def _evidence(findings: Sequence[Finding], *, external: bool) -> dict[Cause, float]:
    """What the findings together support: each type once, as independent signs (noisy or)."""
    missing: dict[Cause, float] = {}
    types = {finding.type for finding in findings}
    for type_ in types:
        worth = _FOLLOWING if types & FOLLOWS.get(type_, frozenset()) else 1.0
        for cause, weight in RULES[type_].items():
            missing[cause] = missing.get(cause, 1.0) * (1.0 - weight * worth)
    found = {cause: 1.0 - left for cause, left in missing.items()}
    if external and any(is_shared(finding) for finding in findings):
        found["external_cause"] = max(EXTERNAL, found.get("external_cause", 0.0))
    return found


def _shares(evidence: Mapping[Cause, float]) -> dict[Cause, float]:
    """As shares of one incident, with what is left for `unknown`."""
    total = sum(evidence.values())
    nothing = 1.0
    for support in evidence.values():
        nothing *= 1.0 - support
    scale = (1.0 - nothing) / total if total else 0.0
    shares: dict[Cause, float] = {cause: evidence.get(cause, 0.0) * scale for cause in CAUSES}
    shares["unknown"] = nothing
    return shares
