import json

from gateway.immune import constants
from gateway.immune.caps import NONE, Caps, agent_caps, caps, widest
from gateway.immune.state import Watched
from tests.immune.exchanges import watched

FLEET = Caps(5_000, 300.0, 40)


def test_until_an_agent_is_known_the_fleets_caps_hold() -> None:
    assert caps(Watched(), "m-1") == NONE
    assert caps(Watched(), "m-1", FLEET) == FLEET
    assert caps(watched(25), "m-1", FLEET) == FLEET
    assert caps(watched(100), "m-2", FLEET) == FLEET


def test_caps_are_far_outside_what_the_agent_does_and_never_small() -> None:
    small = caps(watched(100, output_tokens=12), "m-1", FLEET)
    assert small.output_tokens == constants.CAP_TOKENS and small.tool_calls == constants.CAP_TOOLS
    large = caps(watched(100, output_tokens=3_000, latency_ms=60_000.0), "m-1", FLEET)
    assert large.output_tokens is not None and 12_000 <= large.output_tokens <= 20_000
    assert large.seconds is not None and 4 * 60 < large.seconds < 3_600


def test_a_new_agent_gets_what_the_widest_of_its_fleet_gets() -> None:
    assert widest([Caps(10, None, 3), Caps(7, 9.0, None), NONE]) == Caps(10, 9.0, 3)
    assert widest([]) == NONE


def test_an_agents_caps_are_told_by_model_and_only_where_there_are_some() -> None:
    state = watched()
    name = next(iter(state.models))
    one = caps(state, name)
    assert json.loads(agent_caps(state)) == {name: [one.output_tokens, one.seconds, one.tool_calls]}
    assert agent_caps(Watched()) == b"{}"
