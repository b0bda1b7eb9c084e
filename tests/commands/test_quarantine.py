"""`leuko quarantine` and `leuko release`."""

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess


def test_an_agent_is_stopped_listed_and_released(leuko: Leuko, gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "a suspect"}).json()["agent_id"]
    key = gateway.ask("POST", f"/agents/{agent}/keys").json()["api_key"]
    leuko("quarantine", agent, code=2)
    assert read(leuko("quarantine", agent, "--reason", "looping", "-o", "json"))["agent_id"] == agent
    assert agent in leuko("quarantine").stdout
    assert (answer := gateway.complete(key)).status_code == 403 and "looping" in answer.text
    assert read(leuko("release", agent, "--reason", "looked at", "-o", "json"))["agent_id"] == agent
    assert agent not in leuko("quarantine").stdout
