"""What operators may set of the immune system, with the values it has without them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

Mode = Literal["shadow", "warn", "enforce"]
SigmaAction = Literal["throttle", "approve", "quarantine"]


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """One metric's. None: as the table of constants has it. `z` and `cusum` in standard deviations."""

    enabled: bool = True
    z: float | None = None
    cusum: float | None = None


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """When an agent goes round in circles. Counts of tool calls in one conversation.

    `identical` calls with one result are suspect, `block_at` of the last `window` block the conversation; two calls in
    turn are suspect after `alternations` of both; tool errors after `errors` in a row. `calls` are many for one
    conversation. The tools named in `polling` are called again and again by intention.
    """

    identical: int = 4
    window: int = 10
    block_at: int = 6
    alternations: int = 3
    block_alternations: int = 5
    errors: int = 5
    block_errors: int = 10
    calls: int = 100
    polling: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """When many agents suffer at once, what they share is ill. `alarm_rate` is the chance that one healthy agent alarms
    within `window_seconds`; `tail` the chance below which that many are no coincidence. `wait_seconds`: so long, an
    agent that may suffer from its provider is not blocked for it, so that the others can be heard."""

    window_seconds: float = 60.0
    alarm_rate: float = 0.01
    tail: float = 1e-4
    wait_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Immune:
    """All of them, for one agent.

    `mode`: shadow only notes what it would do, warn tells people, enforce does it. `sigma_action` is what statistical
    evidence alone may do. Deviations from `approve_above` (in standard deviations) on are healed only with a person's
    approval. `confirm` of the `confirm_of` calls after an alarm must alarm on the same metric; from
    `second_metric_from` calls of baseline on, a second metric that alarms `second_alarms` times as well makes a
    throttled agent a quarantined one. Not more than `sigma_share` of all agents, but always one, are quarantined on
    statistical evidence at a time. A suspected agent is healthy again after `quiet_calls` without an alarm, or
    `quiet_seconds` without any; one on probation after `probation_calls`. `latency_quarantines`: latency, which is
    mostly the provider's, may quarantine by itself. `fleet_caps_cut`: answers of an agent that is not known yet are cut
    where those of all others end, and not only told.
    """

    mode: Mode = "enforce"
    sigma_action: SigmaAction = "throttle"
    approve_above: float = 5.0
    drain_seconds: float = 30.0
    confirm: int = 3
    confirm_of: int = 5
    second_metric_from: int = 50
    second_alarms: int = 2
    sigma_share: float = 0.10
    quiet_calls: int = 10
    quiet_seconds: float = 900.0
    probation_calls: int = 10
    latency_quarantines: bool = False
    fleet_caps_cut: bool = False
    metrics: Mapping[str, MetricSettings] = field(default_factory=dict, hash=False)
    loops: LoopLimits = LoopLimits()
    fleet: FleetSettings = FleetSettings()

    def metric(self, name: str) -> MetricSettings:
        return self.metrics.get(name, MetricSettings())

    def sigma_room(self, agents: int) -> int:
        """How many of so many agents may be quarantined on statistical evidence at a time."""
        return max(1, int(agents * self.sigma_share))


DEFAULT = Immune()
_PLAIN = tuple(member.name for member in fields(Immune) if member.name not in ("metrics", "loops", "fleet"))


def settings_of(documents: Iterable[Mapping[str, Any]], loops: LoopLimits | None = None) -> Immune:
    """What the `immune` members of policy documents set, checked already; the most specific document last.

    Each member is the last one's that has it; metrics and what is asked of the fleet are put together member by member.
    """
    members: dict[str, Any] = {}
    metrics: dict[str, MetricSettings] = {}
    fleet = FleetSettings()
    for document in documents:
        members |= {name: document[name] for name in _PLAIN if name in document}
        for name, given in document.get("metrics", {}).items():
            metrics[name] = replace(metrics.get(name, MetricSettings()), **given)
        fleet = replace(fleet, **document.get("fleet", {}))
    return Immune(**members, metrics=metrics, loops=loops or LoopLimits(), fleet=fleet)
