"""`leuko heal`."""

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess, eventually


def test_an_agent_in_quarantine_is_listed_and_healed(leuko: Leuko, gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "to be healed"}).json()["agent_id"]
    assert "HEALING" in leuko("heal", agent, code=1).stderr  # what it cannot become
    assert "no agent" in leuko("heal", "agt_nobody", code=1).stderr
    assert "not both" in leuko("heal", agent, "--all", code=2).output
    leuko("quarantine", agent, "--reason", "odd")
    listed = leuko("heal").stdout
    assert agent in listed and "QUARANTINED" in listed
    assert "an operator holds it" in leuko("heal", "--all").stdout
    begun = read(leuko("heal", agent, "-o", "json"))
    assert (begun["agent_id"], begun["state"]) == (agent, "HEALING")
    eventually(lambda: gateway.admin(f"/agents/{agent}").json()["state"] == "PROBATION")
    found = read(leuko("heal", "-o", "json"))
    assert [one["agent_id"] for one in found["agents"]] == [agent]
    shown = leuko("heal").stdout
    assert "latest treatments" in shown and "applied" in shown
    assert leuko("heal", agent, "--end").stdout == f"ended {found['agents'][0]['remedies'][0]}\n"
    assert leuko("heal", agent, "--end").stdout == f"there was no remedy for {agent}\n"
    leuko("heal", "--end", code=2)
