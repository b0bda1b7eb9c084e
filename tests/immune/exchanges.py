"""Exchanges of an agent that always does much the same, for tests."""

import random
from typing import Any

from gateway.immune.watched import Watched, watch
from gateway.model.vitals import Vitals

_START = 1.7e9


def exchange(place: int = 0, **other: Any) -> Vitals:
    """The `place`-th call: eight a conversation, ten seconds apart; some noise, the same each time."""
    draw = random.Random(place).lognormvariate
    talk, turn = divmod(place, 8)
    measured = {
        "latency_ms": draw(7.0, 0.3),
        "ttft_ms": draw(6.0, 0.3),
        "input_tokens": int(900 * 1.1**turn * draw(0.0, 0.05)),
        "output_tokens": int(draw(4.5, 0.4)),
        "cost_usd": draw(-6.0, 0.2),
        "tool_calls": place % 2,
        "conversation": f"talk {talk}",
        "turn": turn + 1,
        "prompt_hash": "p",
        "tools_hash": "t",
    }
    status = other.pop("status", 200)
    return Vitals(
        "agt_1",
        f"req_{place}",
        other.pop("time", _START + 10.0 * place),
        "openai",
        "acme",
        other.pop("model", "m-1"),
        False,
        status,
        other.pop("latency_ms", measured.pop("latency_ms")),
        **(measured | other),
    )


def watched(calls: int = 100, **other: Any) -> Watched:
    """An agent that is known."""
    state = Watched()
    for place in range(calls):
        assert not watch(state, exchange(place, **other))
    return state
