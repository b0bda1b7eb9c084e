"""`/agents/{id}/vitals`, over a real gateway and Redis."""

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually

CREDENTIAL = {"authorization": "Bearer sk-vitals-0123456789", "x-agent-session": "s-1"}


@pytest.fixture(scope="module")
def agent_id(gateway: GatewayProcess) -> str:
    for number in range(3):
        ask = {
            "model": "stub-echo",
            "messages": [{"role": "user", "content": f"Hello {number}"}],
            "stream": number == 1,
        }
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers=CREDENTIAL)
    found: str = answer.headers["x-gateway-agent-id"]
    eventually(lambda: len(gateway.admin(f"/agents/{found}/vitals").json().get("items", ())) == 3)
    return found


def test_every_exchange_is_shown_the_latest_first(gateway: GatewayProcess, agent_id: str) -> None:
    items = gateway.admin(f"/agents/{agent_id}/vitals").json()["items"]
    assert [item["stream"] for item in items] == [False, True, False]
    one = items[1]
    assert (one["agent_id"], one["dialect"], one["model"]) == (agent_id, "chat_completions", "stub-echo")
    assert (one["status"], one["conversation"], one["turn"], one["cost_usd"]) == (200, "s-1", 1, 0.0)
    assert 0 < one["ttft_ms"] <= one["latency_ms"]
    assert one["time"].endswith("Z") and one["request_id"].startswith("req_")


def test_the_older_path_shows_the_same(gateway: GatewayProcess, agent_id: str) -> None:
    assert gateway.admin(f"/agent/{agent_id}/vitals").json() == gateway.admin(f"/agents/{agent_id}/vitals").json()


def test_pages_and_times_narrow_it_down(gateway: GatewayProcess, agent_id: str) -> None:
    first = gateway.admin(f"/agents/{agent_id}/vitals?limit=2").json()
    second = gateway.admin(f"/agents/{agent_id}/vitals?limit=2&cursor={first['next_cursor']}").json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 1, None)
    late = gateway.admin(f"/agents/{agent_id}/vitals?since=2999-01-01").json()
    assert late["items"] == []
    assert len(gateway.admin(f"/agents/{agent_id}/vitals?since=0001-01-01T00:00:00%2B14:00").json()["items"]) == 3


def test_what_makes_no_sense_is_refused(gateway: GatewayProcess, agent_id: str) -> None:
    problem(gateway.admin("/agents/agt_nobody/vitals"), 404)
    for query in ("limit=0", "since=yesterday", "cursor=%2B"):
        problem(gateway.admin(f"/agents/{agent_id}/vitals?{query}"), 422)
