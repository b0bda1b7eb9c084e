"""How large an answer may become before it is cut while it streams: far outside what its agent ever does."""

from math import exp, log

from gateway.immune import constants as k
from gateway.immune.baseline import Baseline
from gateway.immune.constants import METRICS
from gateway.immune.plain_json import dumps
from gateway.immune.state import Learned, Watched, model_of, short
from gateway.model.value import value


@value
class Caps:
    """Of one answer; None where there is no limit. `seconds` count from when the request came. `fleets`: they are what
    other agents get of the model, of which an answer may honestly be another kind."""

    output_tokens: int | None = None
    seconds: float | None = None
    tool_calls: int | None = None
    fleets: bool = False


NONE = Caps()
_OFFSETS: dict[str, float] = {metric.name: metric.offset for metric in METRICS}


def caps(state: Watched, model: str | None) -> Caps:
    """What one agent may get of one model, whichever of its voices asks: which one does is told only later. No limit
    where too little is known of it."""
    model = short(model or "")
    kinds = [_caps(learned) for name, learned in state.models.items() if model_of(name) == model]
    return Caps(
        max((one.output_tokens for one in kinds if one.output_tokens is not None), default=None),
        max((one.seconds for one in kinds if one.seconds is not None), default=None),
        max((one.tool_calls for one in kinds if one.tool_calls is not None), default=None),
    )


def _caps(learned: Learned) -> Caps:
    """Of one voice."""
    output = _ceiling(learned.baselines.get("output"), "output", k.CAP_TOKENS)
    tools = _ceiling(learned.baselines.get("tools"), "tools", k.CAP_TOOLS)
    seconds = None
    latency = learned.baselines.get("latency")
    if latency is not None and latency.sample is None and output is not None:
        # Judged per length, so at the longest answer that is let through.
        seconds = max(k.CAP_SECONDS, exp(_far(latency) + k.LENGTH * log(output + k.LENGTH_OFFSET)) / 1000.0)
    return Caps(None if output is None else round(output), seconds, None if tools is None else round(tools))


def _far(baseline: Baseline) -> float:
    return baseline.mean + max(k.CAP_Z * baseline.sd, log(k.CAP_RATIO))


def _ceiling(baseline: Baseline | None, name: str, least: float) -> float | None:
    if baseline is None or baseline.sample is not None:
        return None
    return max(least, exp(_far(baseline)) - _OFFSETS[name])


def agent_caps(state: Watched) -> bytes:
    """By model, as the state names it, what the agent may get, as JSON: output tokens, seconds, tool calls."""
    found = {name: caps(state, name) for name in dict.fromkeys(map(model_of, state.models))}
    told = {name: (c.output_tokens, c.seconds, c.tool_calls) for name, c in found.items() if c != NONE}
    return dumps(told)
