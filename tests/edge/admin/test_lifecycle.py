"""`/lifecycle`, over a real gateway and Redis."""

import httpx

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def test_an_agent_begins_where_all_do_and_every_move_is_kept_with_its_cause(gateway: GatewayProcess) -> None:
    items = gateway.admin("/agents?limit=1000").json()["items"]
    agent = next(item for item in items if item["client"] == "agent/2")
    path = f"/lifecycle/{agent['agent_id']}"
    before = gateway.admin(path).json()
    assert (before["agent_id"], before["state"], before["history"]) == (agent["agent_id"], "INITIALIZING", [])
    assert before["since"] >= agent["first_seen"] and before["incident_id"] is None
    url = f"{gateway.url}/api/gateway/quarantine/{agent['agent_id']}"
    for method, reason in (("POST", "odd"), ("DELETE", "fine")):
        assert httpx.request(method, url, headers={"x-admin-key": ADMIN_KEY}, json={"reason": reason}).is_success
    after = gateway.admin(path).json()
    moves = [(move["state"], move["cause"], move["by"]) for move in after["history"]]
    assert moves == [("DRAINING", "odd", "root"), ("QUARANTINED", "odd", "root"), ("PROBATION", "fine", "root")]
    assert (after["state"], after["since"]) == ("PROBATION", after["history"][-1]["at"])


def test_an_agent_nobody_has_seen_has_no_lifecycle(gateway: GatewayProcess) -> None:
    problem(gateway.admin("/lifecycle/agt_nobody"), 404)
