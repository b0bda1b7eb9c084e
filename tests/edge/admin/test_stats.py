"""`/stats`, over a real gateway and Redis."""

from tests.support.gateway import GatewayProcess, eventually


def test_totals_count_all_agents(gateway: GatewayProcess) -> None:
    eventually(lambda: gateway.admin("/stats").json()["executions"] >= 5)
    stats = gateway.admin("/stats").json()
    assert stats["agents"] >= 5
    assert stats["tokens"] == stats["input_tokens"] + stats["output_tokens"] > 0
    assert (stats["quarantined"], stats["success_rate"], stats["cost_usd"]) == (0, None, 0.0)
    assert stats["runtime_seconds"] >= 0
    assert (stats["quarantined"], stats["success_rate"], stats["cost_usd"]) == (0, None, 0.0)


def test_blocked_agents_are_counted(gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "blocked"}).json()["agent_id"]
    gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "a test"})
    assert gateway.admin("/stats").json()["quarantined"] == 1
    gateway.ask("DELETE", f"/quarantine/{agent}")
    gateway.ask("DELETE", f"/agents/{agent}")
    assert gateway.admin("/stats").json()["quarantined"] == 0
