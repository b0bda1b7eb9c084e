"""`POST /api/v1/ingest`, over a real gateway and Redis."""

from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.edge.agents_api.conftest import AgentsApi
from tests.support.gateway import eventually

EXCHANGE = {"model": "gpt-4o", "provider": "openai", "latency_ms": 120.5, "input_tokens": 1000, "output_tokens": 100}


def _vitals(api: AgentsApi, agent_id: str, number: int = 1) -> list[dict[str, Any]]:
    def arrived() -> bool:
        return len(api.gateway.admin(f"/agents/{agent_id}/vitals").json().get("items", ())) >= number

    eventually(arrived)
    items: list[dict[str, Any]] = api.gateway.admin(f"/agents/{agent_id}/vitals").json()["items"]
    return items


def test_an_unknown_agent_is_registered_with_its_first_vitals(api: AgentsApi) -> None:
    receipt = api.post("/ingest", {"agent_id": "batch-1", **EXCHANGE, "tool_names": ["a", "b"], "mood": "good"})
    assert receipt.status_code == 202
    (row,) = _vitals(api, "batch-1")
    assert receipt.json() == {"accepted": 1, "items": [{"agent_id": "batch-1", "request_id": row["request_id"]}]}
    assert (row["model"], row["latency_ms"], row["input_tokens"], row["tool_calls"]) == ("gpt-4o", 120.5, 1000, 2)
    assert row["cost_usd"] == 0.0035
    agent = api.gateway.admin("/agents/batch-1").json()
    assert (agent["requests"], agent["cost_usd"], agent["verified"], agent["tools"]) == (1, 0.0035, False, ["a", "b"])


def test_agents_that_report_are_watched_like_all_others(api: AgentsApi) -> None:
    many = [{"agent_id": "batch-9", **EXCHANGE, "conversation": f"c{number % 6}"} for number in range(40)]
    assert api.post("/ingest", many).status_code == 202
    eventually(lambda: api.gateway.admin("/agents/batch-9").json().get("state") == "HEALTHY")


def test_an_agent_is_found_by_its_name(api: AgentsApi) -> None:
    first, second = (api.post("/ingest", {"name": "nightly", **EXCHANGE}).json()["items"][0] for _ in range(2))
    assert first["agent_id"] == second["agent_id"]
    assert len(_vitals(api, first["agent_id"], 2)) == 2
    assert api.gateway.admin(f"/agents/{first['agent_id']}").json()["name"] == "nightly"
    assert api.post("/ingest", {"name": "reporter"}).json()["items"][0]["agent_id"] == api.agent_id


def test_an_agents_key_says_who_it_is(api: AgentsApi) -> None:
    receipt = api.post("/ingest", {**EXCHANGE, "request_id": "mine-1", "cost_usd": 0.5}, api.agent_key)
    assert receipt.json()["items"] == [{"agent_id": api.agent_id, "request_id": "mine-1"}]
    wanted = ("mine-1", 0.5)
    eventually(lambda: wanted in [(row["request_id"], row["cost_usd"]) for row in _vitals(api, api.agent_id)])
    problem(api.post("/ingest", {"agent_id": "batch-1"}, api.agent_key), 403)
    problem(api.post("/ingest", {"name": "nightly"}, api.agent_key), 403)


def test_an_agent_that_was_deactivated_reports_nothing(api: AgentsApi) -> None:
    for active, status in ((False, 403), (True, 202)):
        assert api.gateway.ask("PATCH", f"/agents/{api.agent_id}", json={"active": active}).status_code == 200
        assert api.post("/ingest", {}, api.agent_key).status_code == status


def test_a_list_is_taken_whole_or_not_at_all(api: AgentsApi) -> None:
    many = [{"agent_id": "batch-2", "request_id": f"r{n}"} for n in range(50)]
    assert api.post("/ingest", many).json()["accepted"] == 50
    assert len(_vitals(api, "batch-2", 50)) == 50
    problem(api.post("/ingest", [{"agent_id": "batch-3"}, {"request_id": "nobody's"}]), 422)
    problem(api.gateway.admin("/agents/batch-3"), 404)


def test_who_passes_through_the_gateway_is_not_reported(api: AgentsApi) -> None:
    ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": "Bearer sk-proxied-0123456789"}
    answer = httpx.post(f"{api.gateway.url}/v1/chat/completions", json=ask, headers=headers)
    agent_id = answer.headers["x-gateway-agent-id"]
    _vitals(api, agent_id)
    assert "measures it itself" in problem(api.post("/ingest", {"agent_id": agent_id}), 409)["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        {"agent_id": "a b"},
        {"agent_id": "{x}"},
        {"agent_id": "a", "input_tokens": -1},
        {"agent_id": "a", "latency_ms": "fast"},
        {"agent_id": "a", "time": "2999-01-01T00:00:00Z"},
        {"agent_id": "a", "time": 1.0},
        {"agent_id": "a", "name": "\x00"},
    ],
)
def test_what_makes_no_sense_is_refused_with_the_place(api: AgentsApi, wrong: Any) -> None:
    assert problem(api.post("/ingest", wrong), 422)["errors"][0]["field"].startswith("body")
