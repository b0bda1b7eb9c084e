import json

from gateway.immune import constants
from gateway.immune.caps import NONE, agent_caps, caps
from gateway.immune.state import Watched
from tests.immune.exchanges import watched


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


def test_an_agents_caps_are_told_by_model_and_only_where_there_are_some() -> None:
    state = watched()
    name = next(iter(state.models))
    one = caps(state, name)
    assert json.loads(agent_caps(state)) == {name: [one.output_tokens, one.seconds, one.tool_calls]}
    assert agent_caps(Watched()) == b"{}"
