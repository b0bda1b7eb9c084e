"""`/usage`, over a real gateway and Redis."""

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually


@pytest.mark.parametrize(("by", "name"), [("model", "stub-tool"), ("provider", "stub"), ("team", None)])
def test_what_was_used_is_added_up(gateway: GatewayProcess, by: str, name: str | None) -> None:
    tools = [{"type": "function", "function": {"name": "t"}}]
    ask = {"model": "stub-tool", "messages": [{"role": "user", "content": "Hello"}], "tools": tools}
    usage = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask).json()["usage"]

    def shown() -> bool:
        rows = {row["name"]: row for row in gateway.admin(f"/usage?by={by}").json()["items"]}
        row = rows.get(name, {"tool_calls": 0})
        return row["tool_calls"] > 0 and row["tokens"] >= usage["total_tokens"] and row["cost_usd"] == 0.0

    eventually(shown)


def test_an_agent_is_named_by_its_id(gateway: GatewayProcess) -> None:
    known = gateway.admin("/agents?limit=1000").json()["items"]
    agents = {item["agent_id"] for item in known if item["input_tokens"] > 0}
    assert agents
    eventually(lambda: agents <= {row["name"] for row in gateway.admin("/usage").json()["items"]})


def test_a_day_without_exchanges_is_empty(gateway: GatewayProcess) -> None:
    found = gateway.admin("/usage?by=model&since=2020-01-01&until=2020-01-02T10:00:00Z").json()
    assert found == {"by": "model", "since": "2020-01-01", "until": "2020-01-02", "items": [], "next_cursor": None}


def test_what_makes_no_sense_is_refused(gateway: GatewayProcess) -> None:
    for query in ("by=mood", "since=yesterday", "since=2020-01-02&until=2020-01-01", "since=2000-01-01"):
        problem(gateway.admin(f"/usage?{query}"), 422)
    for query in ("until=0001-01-01", "until=0001-01-01T00:00:00%2B14:00", "since=9999-12-31&until=9999-12-31"):
        assert gateway.admin(f"/usage?{query}").status_code == 200
