"""What findings are worth: which of them prove something alone, and which may be somebody else's fault."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.immune.finding import Finding, FindingType


@dataclass(frozen=True, slots=True)
class Kind:
    """What one type of finding is.

    shared: a provider in trouble causes it in healthy agents too. severe: somebody may be attacking, so a person
    decides on healing. moves: it makes an agent suspect; the others are only told. throttles: at once, without any
    confirmation, but never more than that while it is not hard. stopped: what it is about has come to nothing already,
    so that slowing the agent down would only hurt it.
    """

    shared: bool = False
    severe: bool = False
    moves: bool = True
    throttles: bool = False
    stopped: bool = False


KINDS: Mapping[FindingType, Kind] = MappingProxyType(
    {
        "token_spike": Kind(),
        "input_token_spike": Kind(),
        "output_token_spike": Kind(),
        "latency_spike": Kind(shared=True),
        "tool_explosion": Kind(),
        "high_retry_rate": Kind(shared=True, stopped=True),
        "cost_spike": Kind(),
        "prompt_change": Kind(),
        "tools_change": Kind(),
        "model_change": Kind(),
        "error_rate_spike": Kind(shared=True),
        "tool_loop": Kind(),
        "unsanctioned_call": Kind(severe=True),
        "denied_burst": Kind(severe=True, stopped=True),
        "identity_evasion": Kind(severe=True, throttles=True),
        "new_client": Kind(moves=False),
        "drift": Kind(),
    }
)

# What follows from another finding by itself is no second sign: who writes ten times as much also takes longer,
# and who is told to come again later does.
FOLLOWS: Mapping[FindingType, frozenset[FindingType]] = MappingProxyType(
    {
        "cost_spike": frozenset({"input_token_spike", "output_token_spike", "token_spike"}),
        "token_spike": frozenset({"input_token_spike", "output_token_spike"}),
        "latency_spike": frozenset({"input_token_spike", "output_token_spike", "token_spike"}),
        "tool_explosion": frozenset({"tool_loop"}),
        "high_retry_rate": frozenset({"error_rate_spike"}),
    }
)
# An agent that begins to use helpers comes with their prompts, tools and models at once.
CHANGES: frozenset[FindingType] = frozenset({"prompt_change", "tools_change", "model_change"})

# Errors of the agent's own tools come from no provider.
_OWN_METRICS = frozenset({"tool_errors"})


def is_shared(finding: Finding) -> bool:
    """Whether the provider may be the cause, so that the fleet is asked first."""
    return KINDS[finding.type].shared and finding.metric not in _OWN_METRICS


def is_stopped(finding: Finding) -> bool:
    """Whether what it is about came to nothing: it was denied, or no provider answered it."""
    return KINDS[finding.type].stopped or finding.metric == "provider_errors"


def is_severe(findings: Iterable[Finding]) -> bool:
    return any(KINDS[finding.type].severe for finding in findings)


def own(findings: Iterable[Finding], *, external: bool) -> tuple[Finding, ...]:
    """Those that say something about the agent: not what its provider causes, nor what is only told."""
    return tuple(f for f in findings if KINDS[f.type].moves and not (external and is_shared(f)))


def independent(findings: Sequence[Finding]) -> frozenset[str]:
    """The metrics that are signs of their own: what follows from another is none, and one change is one."""
    types = {finding.type for finding in findings}
    signs = {type_ for type_ in types if not types & FOLLOWS.get(type_, frozenset())}
    signs -= set(sorted(signs & CHANGES)[1:])
    return frozenset(finding.metric for finding in findings if finding.type in signs)


def deviation(findings: Iterable[Finding]) -> float:
    """The furthest, in standard deviations, whichever way; 0 where nothing is scored."""
    return max((abs(f.deviation) for f in findings if f.deviation is not None), default=0.0)


def needs_person(findings: Sequence[Finding], approve_above: float) -> bool:
    """Whether healing waits for somebody's approval; where nobody knows why an agent is blocked, it does."""
    return not findings or is_severe(findings) or deviation(findings) >= approve_above


def leading(findings: Sequence[Finding]) -> Finding | None:
    """The one that says most: hard before scored, far before near, early before late."""
    return max(findings, key=lambda f: (f.hard, abs(f.deviation or 0.0), -f.at), default=None)
