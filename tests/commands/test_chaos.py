"""`leuko chaos`: what can be asked of it; whole trials are in the scenarios."""

from tests.commands.conftest import Leuko


def test_a_fault_that_there_is_not_is_refused_with_those_there_are(leuko: Leuko) -> None:
    assert "'flood' is no fault; allowed: token, latency" in " ".join(leuko("chaos", "flood", code=2).output.split())


def test_agents_that_nobody_serves_end_the_trial(leuko: Leuko) -> None:
    result = leuko("chaos", "tool", "--model-url", "http://127.0.0.1:1", code=1)
    assert "a simulated agent is not served (start the gateway with --stub): ConnectError" in result.output
