"""`/routes`, over a real gateway and Redis; `test_providers` sends requests along them."""

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess


def test_a_route_leads_from_an_agent_to_a_provider_that_are_there(gateway: GatewayProcess) -> None:
    nobody = problem(gateway.ask("POST", "/routes", json={"agent_id": "agt_nobody", "provider": "stub"}), 404)
    assert "agt_nobody" in nobody["detail"]
    nowhere = problem(gateway.ask("POST", "/routes", json={"agent_id": "agt_nobody", "provider": "nowhere"}), 422)
    assert nowhere["errors"][0]["field"] == "body.provider" and "stub" in nowhere["errors"][0]["message"]


def test_routes_are_listed_by_page(gateway: GatewayProcess) -> None:
    agents = sorted(item["agent_id"] for item in gateway.ask("GET", "/agents").json()["items"])[:3]
    for agent in agents:
        made = gateway.ask("POST", "/routes", json={"agent_id": agent, "provider": "stub"})
        assert made.json() == {"agent_id": agent, "provider": "stub"}
    first = gateway.ask("GET", "/routes?limit=2").json()
    assert [item["agent_id"] for item in first["items"]] == agents[:2]
    rest = gateway.ask("GET", f"/routes?limit=2&cursor={first['next_cursor']}").json()
    assert ([item["agent_id"] for item in rest["items"]], rest["next_cursor"]) == (agents[2:], None)
    for agent in agents * 2:
        assert gateway.ask("DELETE", f"/routes/{agent}").status_code == 204
