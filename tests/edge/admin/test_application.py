"""`/agents`, `/stats` and what guards them, over a real gateway and Redis."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "adm:"}) as one:
        for number in range(5):
            ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            headers = {"authorization": f"Bearer sk-agent-0123456789-{number}", "user-agent": f"agent/{number}"}
            httpx.post(f"{one.url}/v1/chat/completions", json=ask, headers=headers)
        eventually(lambda: len(one.admin("/agents").json()["items"]) == 5)
        yield one


def test_an_agent_shows_what_was_seen_of_it(gateway: GatewayProcess) -> None:
    items = gateway.admin("/agents").json()["items"]
    one = next(item for item in items if item["client"] == "agent/3")
    assert one == gateway.admin(f"/agents/{one['agent_id']}").json()
    assert one["agent_id"].startswith("agt_")
    assert (one["verified"], one["models"], one["providers"], one["requests"]) == (False, ["stub-echo"], ["stub"], 1)
    assert (one["credential"], one["input_tokens"] > 0, one["output_tokens"] > 0) == ("…89-3", True, True)
    assert one["first_seen"].endswith("Z") and one["first_seen"] <= one["last_seen"]


def test_every_agent_stands_on_one_page(gateway: GatewayProcess) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = gateway.admin(f"/agents?limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        seen += [item["agent_id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5


def test_totals_count_every_exchange(gateway: GatewayProcess) -> None:
    stats = gateway.admin("/stats").json()
    assert (stats["agents"], stats["executions"], stats["errors"]) == (5, 5, 0)
    assert stats["tokens"] == stats["input_tokens"] + stats["output_tokens"] > 0
    assert stats["runtime_seconds"] >= 0


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    return document


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-admin-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {ADMIN_KEY}"}],
)
def test_without_the_admin_key_there_is_nothing_to_see(gateway: GatewayProcess, headers: dict[str, str]) -> None:
    for path in ("/agents", "/agents/agt_x", "/stats"):
        _problem(httpx.get(f"{gateway.url}/api/gateway{path}", headers=headers), 401)


def test_the_admin_key_counts_as_a_bearer_token_too(gateway: GatewayProcess) -> None:
    answer = httpx.get(f"{gateway.url}/api/gateway/stats", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=nonsense", "cursor=%00"])
def test_a_wrong_parameter_is_named(gateway: GatewayProcess, query: str) -> None:
    document = _problem(gateway.admin(f"/agents?{query}"), 422)
    assert document["errors"][0]["field"] == "query." + query.partition("=")[0]


def test_what_is_not_there_is_a_404(gateway: GatewayProcess) -> None:
    assert "agt_nobody" in _problem(gateway.admin("/agents/agt_nobody"), 404)["detail"]
    _problem(gateway.admin("/nowhere"), 404)
    _problem(httpx.post(f"{gateway.url}/api/gateway/stats", headers={"x-admin-key": ADMIN_KEY}), 405)


def test_the_admin_api_answers_known_hosts_only(gateway: GatewayProcess) -> None:
    headers = {"x-admin-key": ADMIN_KEY, "host": "rebound.example"}
    assert httpx.get(f"{gateway.url}/api/gateway/stats", headers=headers).status_code == 421


def test_without_redis_the_admin_api_says_so_and_the_data_plane_goes_on(own_redis: RedisServer) -> None:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": own_redis.url}) as gateway:
        own_redis.kill()
        eventually(lambda: httpx.get(f"{gateway.url}/readyz").json()["status"] == "degraded")
        assert _problem(gateway.admin("/agents"), 503)["detail"].startswith("Redis")
        ask = {"model": "stub-echo", "messages": []}
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask)
        assert (answer.status_code, answer.headers["x-gateway-degraded"]) == (200, "redis")
        own_redis.start()
        eventually(lambda: httpx.get(f"{gateway.url}/readyz").json() == {"status": "ok"})
        eventually(lambda: gateway.admin("/stats").json()["executions"] == 1)
