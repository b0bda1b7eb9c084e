"""The admin API as a whole, over a real gateway and Redis."""

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=nonsense", "cursor=%00"])
def test_a_wrong_parameter_is_named(gateway: GatewayProcess, query: str) -> None:
    document = problem(gateway.admin(f"/agents?{query}"), 422)
    assert document["errors"][0]["field"] == "query." + query.partition("=")[0]


def test_what_is_not_there_is_a_404(gateway: GatewayProcess) -> None:
    assert "agt_nobody" in problem(gateway.admin("/agents/agt_nobody"), 404)["detail"]
    problem(gateway.admin("/nowhere"), 404)
    answer = httpx.post(f"{gateway.url}/api/gateway/stats", headers={"x-admin-key": ADMIN_KEY})
    assert problem(answer, 405) and answer.headers["allow"] == "GET"
    answer = gateway.ask("PUT", "/admin-keys")
    assert problem(answer, 405) and answer.headers["allow"] == "GET, POST"


def test_a_path_that_cannot_be_read_is_a_problem_too(gateway: GatewayProcess) -> None:
    assert "path" in problem(gateway.ask("GET", "/agents/%11"), 400)["detail"]


def test_a_large_body_is_refused(gateway: GatewayProcess) -> None:
    problem(gateway.ask("POST", "/admin-keys", json={"role": "viewer", "name": "x" * 2**20}), 413)


def test_the_admin_api_answers_known_hosts_only(gateway: GatewayProcess) -> None:
    headers = {"x-admin-key": ADMIN_KEY, "host": "rebound.example"}
    assert httpx.get(f"{gateway.url}/api/gateway/stats", headers=headers).status_code == 421


def test_without_redis_the_admin_api_says_so_and_the_data_plane_goes_on(own_redis: RedisServer) -> None:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": own_redis.url}) as gateway:
        own_redis.kill()
        eventually(lambda: httpx.get(f"{gateway.url}/readyz", timeout=30).json()["status"] == "degraded")
        assert problem(gateway.admin("/agents"), 503)["detail"].startswith("Redis")
        ask = {"model": "stub-echo", "messages": []}
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask)
        assert (answer.status_code, answer.headers["x-gateway-degraded"]) == (200, "redis")
        own_redis.start()
        eventually(lambda: httpx.get(f"{gateway.url}/readyz", timeout=30).json() == {"status": "ok"})
        eventually(lambda: gateway.admin("/stats").json()["executions"] == 1)
