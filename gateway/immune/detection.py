"""How detectors are set, and how they say what they found."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from gateway.immune.constants import METRICS, Metric, Name
from gateway.immune.finding import Finding, FindingType
from gateway.immune.settings import Immune
from gateway.model.value import value
from gateway.model.vitals import Vitals


def _usual() -> dict[Name, Metric]:
    return {metric.name: metric for metric in METRICS}


@value
class Detection:
    """`metrics`: thresholds of scored metrics; `silent`: metrics that are learned but raise nothing."""

    metrics: Mapping[Name, Metric] = field(default_factory=_usual, hash=False)
    silent: frozenset[str] = frozenset()


USUAL = Detection()


def detection(settings: Immune) -> Detection:
    """What the settings of an agent make of the table of constants. Made once, not for every exchange."""
    metrics = _usual()
    for name, metric in metrics.items():
        own = settings.metric(name)
        metrics[name] = replace(
            metric,
            z=metric.z if own.z is None else own.z,
            cusum=metric.cusum if own.cusum is None else own.cusum,
        )
    return Detection(metrics, frozenset(name for name, own in settings.metrics.items() if not own.enabled))


def found(vitals: Vitals, type_: FindingType, metric: str, deviation: float | None, **detail: Any) -> Finding:
    """A statistical finding about this exchange."""
    return Finding(
        type_,
        metric,
        deviation,
        vitals.time,
        vitals.agent_id,
        vitals.request_id,
        vitals.model,
        vitals.conversation,
        detail=detail,
    )
