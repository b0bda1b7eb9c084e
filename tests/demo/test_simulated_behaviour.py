from gateway.demo.simulated_behaviour import WELL, Behaviour


def test_without_more_said_an_agent_is_well() -> None:
    assert Behaviour() == WELL and Behaviour(output=2.0) != WELL
