"""Sizes, times and costs of answers, each against its own past: alarms for what jumps, and for what creeps."""

from collections.abc import Iterator, Mapping
from math import exp, log

from gateway.immune import constants as k
from gateway.immune.baseline import Baseline
from gateway.immune.constants import Metric, Name
from gateway.immune.cusum import upward
from gateway.immune.detection import Detection, found
from gateway.immune.finding import Finding
from gateway.immune.state import Learned, Watched, short, spoken
from gateway.model.vitals import Vitals


def scores(state: Watched, vitals: Vitals, detection: Detection) -> list[Finding]:
    """Sizes, times and costs of answers that came, each against its own past."""
    if not 200 <= vitals.status < 300 or vitals.error_type is not None:
        return []
    new, grown = _growth(state, vitals)
    learned = _learned(state, spoken(short(vitals.model or ""), state.voice(vitals.prompt_hash)))
    state.calls += 1
    state.conversations += new
    learned.calls += 1
    learned.conversations += new
    told: list[Finding] = []
    for name, y in _values(vitals, new, grown, detection.metrics):
        baseline = learned.baselines.get(name)
        if baseline is None:
            baseline = learned.baselines[name] = Baseline()
        z = baseline.score(y)
        if z is not None:
            baseline.z = z
            why = _alarm(detection.metrics[name], baseline, y, z)
            if why is not None and name not in detection.silent:
                told.append(_spike(vitals, detection.metrics[name], baseline, y, z, why))
        baseline.learn(y, vitals.time, learned.conversations)
        if baseline.drifted():
            ratio = exp(baseline.mean - baseline.slow)
            told.append(found(vitals, "drift", name, None, ratio=ratio, days=k.DRIFT_SECONDS / 86_400.0))
    if len(told) > 1:
        told += _all_tokens(vitals, told)
    return told


def _all_tokens(vitals: Vitals, told: list[Finding]) -> list[Finding]:
    """What goes in and what comes out, both at once, is a finding of its own: the whole exchange has grown."""
    far = [f.deviation or 0.0 for f in told if f.type in ("input_token_spike", "output_token_spike")]
    return [found(vitals, "token_spike", "tokens", max(far))] if len(far) > 1 and min(far) > 0.0 else []


def _growth(state: Watched, vitals: Vitals) -> tuple[bool, float | None]:
    """Whether the conversation is new, and by how much (ln of the ratio) its input grew since its last call."""
    if vitals.conversation is None:
        return True, None
    conversation = short(vitals.conversation)
    before = state.inputs.pop(conversation, None)
    state.inputs[conversation] = vitals.input_tokens or before or 0
    if before is None:
        if len(state.inputs) > k.CONVERSATIONS_KEPT:
            del state.inputs[next(iter(state.inputs))]
        return True, None
    if not before or not vitals.input_tokens:
        return False, None
    return False, log((vitals.input_tokens + 1.0) / (before + 1.0))


def _learned(state: Watched, name: str) -> Learned:
    learned = state.models.get(name)
    if learned is None:
        learned = Learned()
        if len(state.models) >= k.MODELS_KEPT:
            del state.models[next(iter(state.models))]
    elif next(reversed(state.models)) == name:
        return learned
    else:
        del state.models[name]
    state.models[name] = learned
    return learned


def _values(
    vitals: Vitals, new: bool, grown: float | None, metrics: Mapping[Name, Metric]
) -> Iterator[tuple[Name, float]]:
    """What was measured, as logarithms. Zero tokens or milliseconds mean that nobody measured."""
    if vitals.latency_ms > 0.0:
        length = k.LENGTH * log(vitals.output_tokens + k.LENGTH_OFFSET)
        yield "latency", log(vitals.latency_ms + metrics["latency"].offset) - length
    if vitals.ttft_ms is not None:
        yield "ttft", log(vitals.ttft_ms + metrics["ttft"].offset)
    if vitals.output_tokens > 0:
        yield "output", log(vitals.output_tokens + metrics["output"].offset)
    if grown is not None:
        yield "input_growth", grown
    elif new and vitals.input_tokens > 0 and (vitals.turn is None or vitals.turn <= 1):
        yield "input_first", log(vitals.input_tokens + metrics["input_first"].offset)
    if vitals.cost_usd is not None and vitals.cost_usd > 0.0:
        yield "cost", log(vitals.cost_usd + metrics["cost"].offset)
    yield "tools", log(vitals.tool_calls + metrics["tools"].offset)


def _alarm(metric: Metric, baseline: Baseline, y: float, z: float) -> str | None:
    """By which rule a value is an alarm, if it is. A sum that alarmed stays at its limit: what lasts
    alarms with every call, so that it can be confirmed, and what is over lets it fall."""
    off = y - baseline.mean
    if metric.span == 3:
        off = (y + baseline.last + baseline.before) / 3.0 - baseline.mean
    if baseline.sample is not None:
        alarm = abs(y - baseline.mean) > k.EARLY_T * baseline.sd and (z > 0.0 or metric.down)
        return "early" if alarm and (off > metric.effect or -off > metric.effect) else None
    baseline.rise = rise = upward(baseline.rise, z, metric.slack, metric.most)
    if (z > metric.z or rise > metric.cusum) and off > metric.effect:
        baseline.rise = min(rise, metric.cusum)
        return "score" if z > metric.z else "cusum"
    if metric.down:
        baseline.fall = fall = upward(baseline.fall, -z, metric.slack, metric.most)
        if (-z > metric.z or fall > metric.cusum) and -off > metric.effect:
            baseline.fall = min(fall, metric.cusum)
            return "score" if -z > metric.z else "cusum"
    return None


def _spike(vitals: Vitals, metric: Metric, baseline: Baseline, y: float, z: float, why: str) -> Finding:
    ratio = exp(y - baseline.mean)
    return found(vitals, metric.finding, metric.name, z, ratio=ratio, rule=why, calls=baseline.count)
