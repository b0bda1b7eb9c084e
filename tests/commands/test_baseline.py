"""`leuko baseline`."""

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess, eventually


def test_what_is_usual_is_shown_and_what_is_new_accepted(leuko: Leuko, gateway: GatewayProcess) -> None:
    agent = next(one["agent_id"] for one in gateway.admin("/agents").json()["items"] if one["client"])
    eventually(lambda: read(leuko("baseline", agent, "-o", "json"))["calls"])
    shown = leuko("baseline", agent).stdout
    assert "warm" in shown and "METRIC" in shown and "stub-echo" in shown and "{" not in shown
    assert leuko("baseline", agent, "--accept").stdout == f"{agent}: accepted\n"
    assert read(leuko("baseline", agent, "-o", "json"))["calls"] == 0
    leuko("baseline", "agt_nobody", code=1)
