"""What is known of an agent, as people read it: in milliseconds, tokens and dollars instead of logarithms."""

from collections.abc import Iterator
from math import exp, log

from gateway.immune import constants as k
from gateway.immune.baseline import Baseline
from gateway.immune.constants import METRICS, Metric
from gateway.immune.state import Learned, Watched, model_of, voice_of
from gateway.model.value import value


@value
class Usual:
    """One number of an agent with one model: two of three values lie between `low` and `high`.

    `voice` is 0 for the agent's first prompt, and another number for each that is unlike the others.
    `input_growth` is the ratio to the call before, the others in their own units; `latency` is that of a usual answer.
    Numbers are None until `calls` are enough for a first score. `deviation` is that of the latest value, in σ.
    """

    model: str
    voice: int
    metric: str
    calls: int
    warm: bool
    usual: float | None
    low: float | None
    high: float | None
    deviation: float


def usual(state: Watched) -> Iterator[Usual]:
    """By model, the one used last at the end, in the order of the table of metrics."""
    for name, learned in state.models.items():
        for metric in METRICS:
            baseline = learned.baselines.get(metric.name)
            if baseline is not None:
                yield _of(name, metric, baseline, learned)


def _of(name: str, metric: Metric, baseline: Baseline, learned: Learned) -> Usual:
    def number(sds: float) -> float | None:
        if not baseline.share:
            return None
        y = baseline.mean + sds * baseline.sd
        if metric.name == "input_growth":
            return exp(y)
        if metric.name == "latency":
            y += k.LENGTH * _length(learned)
        return max(0.0, exp(y) - metric.offset)

    warm = baseline.sample is None
    where = model_of(name), voice_of(name)
    return Usual(*where, metric.name, baseline.count, warm, number(0.0), number(-1.0), number(1.0), baseline.z)


def _length(learned: Learned) -> float:
    """ln of the usual answer's length as latency counts it."""
    output = learned.baselines.get("output")
    if output is None or not output.share:
        return log(k.LENGTH_OFFSET)
    offset = next(metric.offset for metric in METRICS if metric.name == "output")
    return log(max(exp(output.mean) - offset, 0.0) + k.LENGTH_OFFSET)
