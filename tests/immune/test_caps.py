import json
import random
from math import log

from gateway.immune import constants
from gateway.immune.caps import NONE, agent_caps, caps
from gateway.immune.state import Watched
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange, watched


def test_an_agent_of_which_little_is_known_has_no_caps_of_its_own() -> None:
    assert caps(Watched(), "m-1") == NONE
    assert caps(watched(25), "m-1") == NONE
    assert caps(watched(100), "m-2") == NONE


def test_caps_are_far_outside_what_the_agent_does_and_never_small() -> None:
    small = caps(watched(100, output_tokens=12), "m-1")
    assert small.output_tokens == constants.CAP_TOKENS and small.tool_calls == constants.CAP_TOOLS
    large = caps(watched(100, output_tokens=3_000, latency_ms=60_000.0), "m-1")
    assert large.output_tokens is not None and 12_000 <= large.output_tokens <= 20_000
    assert large.seconds is not None and 4 * 60 < large.seconds < 3_600


def test_ordinary_long_answers_of_an_agent_that_only_gave_short_ones_are_hardly_ever_cut() -> None:
    """Files and reports: half of them above 4,000 tokens, one of forty above 10,600."""
    most, draw = caps(watched(100, output_tokens=12), "m-1").output_tokens, random.Random(1)
    assert most is not None
    cut = sum(draw.lognormvariate(log(4_000), 0.5) > most for _ in range(20_000)) / 20_000
    print(f"{cut:.2%} cut")
    assert cut < 0.005


def test_whichever_voice_asks_the_widest_of_the_model_hold() -> None:
    state = Watched()
    for place in range(240):
        of = {"prompt_hash": "report", "output_tokens": 9_000} if place % 3 == 0 else {"output_tokens": 100}
        watch(state, exchange(place // 3, **{"conversation": f"{place % 3 == 0} {place // 24}", **of}))
    assert len(state.models) == 2
    assert (caps(state, "m-1").output_tokens or 0) > 30_000
    assert list(json.loads(agent_caps(state))) == ["m-1"]


def test_an_agents_caps_are_told_by_model_and_only_where_there_are_some() -> None:
    state = watched()
    name = next(iter(state.models))
    one = caps(state, name)
    assert json.loads(agent_caps(state)) == {name: [one.output_tokens, one.seconds, one.tool_calls]}
    assert agent_caps(Watched()) == b"{}"
