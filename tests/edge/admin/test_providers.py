"""`/providers`, over a real gateway and Redis."""

from typing import Any

import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import json_answer, threaded

COMPLETION = {"id": "c", "object": "chat.completion", "model": "m", "choices": []}
KEY = "sk-provider-canary-0123456789"


def test_the_providers_of_the_settings_are_shown_and_stay(gateway: GatewayProcess) -> None:
    items = {item["name"]: item for item in gateway.ask("GET", "/providers").json()["items"]}
    assert items["default"] == {
        "name": "default",
        "url": "https://api.openai.com",
        "dialect": "openai",
        "models": [],
        "has_key": False,
        "api_key_env": "LLM_UPSTREAM_API_KEY",
        "source": "settings",
        "health": None,
    }
    problem(gateway.ask("DELETE", "/providers/default"), 409)
    problem(gateway.ask("POST", "/providers", json={"name": "default", "url": "https://example.com"}), 409)
    assert gateway.ask("DELETE", "/providers/nobody").status_code == 204


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "https://127.0.0.1"}, "url"),
        ({"url": "https://[::ffff:10.0.0.1]/v1"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "http://example.com"}, "url"),
        ({"url": "https://u:p@example.com"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"name": "../x"}, "name"),
        ({"dialect": "stub"}, "dialect"),
        ({"api_key": "a b"}, "api_key"),
        ({"proxy": "http://x"}, "proxy"),
        ({"private_ok": True}, "private_ok"),
    ],
)
def test_a_provider_that_may_not_be_is_refused_by_field(
    gateway: GatewayProcess, change: dict[str, Any], field: str
) -> None:
    body = {"name": "mine", "url": "https://example.com", **change}
    document = problem(gateway.ask("POST", "/providers", json=body), 422)
    assert document["errors"][0]["field"] == f"body.{field}"


def test_a_name_that_leads_to_a_private_address_is_refused_when_connecting(gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "curious"}).json()
    key = gateway.ask("POST", f"/agents/{agent['agent_id']}/keys").json()["api_key"]
    for name, host in (("inside", "localhost"), ("hex", "0x7f.1"), ("decimal", "2130706433")):
        url = f"https://{host}:{gateway.url.rpartition(':')[2]}"
        assert gateway.ask("POST", "/providers", json={"name": name, "url": url}).status_code == 201
        answer = gateway.complete(key, f"/p/{name}/v1")
        assert (answer.status_code, "not public" in answer.text) == (502, True), answer.text
        gateway.ask("DELETE", f"/providers/{name}")


def test_agents_are_routed_to_a_made_provider_on_every_worker_and_after_a_restart(own_redis: RedisServer) -> None:
    env = {"GATEWAY_REDIS_URL": own_redis.url, "GATEWAY_ALLOW_PRIVATE_UPSTREAMS": "true"}
    with threaded(json_answer(COMPLETION)) as upstream:
        with running_gateway("--workers", "2", env=env) as gateway:
            body = {"name": "mine", "url": upstream.url, "api_key": KEY, "models": ["mine-*"]}
            made = gateway.ask("POST", "/providers", json=body)
            assert (made.status_code, made.json()["has_key"], KEY in made.text) == (201, True, False)
            problem(gateway.ask("POST", "/providers", json=body), 409)
            agent = gateway.ask("POST", "/agents", json={"name": "worker"}).json()
            key = gateway.ask("POST", f"/agents/{agent['agent_id']}/keys").json()["api_key"]
            route = {"agent_id": agent["agent_id"], "provider": "mine"}
            assert gateway.ask("POST", "/routes", json=route).status_code == 201
            assert gateway.ask("POST", "/routes", json=route).status_code == 200
            assert gateway.ask("GET", "/routes").json()["items"] == [route]
            assert "1 agents" in problem(gateway.ask("DELETE", "/providers/mine"), 409)["detail"]
            assert {gateway.complete(key).status_code for _ in range(8)} == {200}  # new connections: both workers
            assert KEY not in gateway.output
        assert KEY.encode() not in own_redis.ask("HGETALL", "leuko:{control}:state")
        with running_gateway(env=env) as gateway:
            assert gateway.complete(key).status_code == 200
            sent = upstream.requests[-1]
            assert sent.header("authorization") == f"Bearer {KEY}"
            assert gateway.ask("DELETE", f"/routes/{agent['agent_id']}").status_code == 204
            assert gateway.ask("DELETE", "/providers/mine").status_code == 204
            assert gateway.ask("GET", "/routes").json() == {"items": [], "next_cursor": None}


def test_how_a_provider_does_is_the_same_on_every_worker(own_redis: RedisServer) -> None:
    env = {"GATEWAY_REDIS_URL": own_redis.url}
    with threaded([json_answer(COMPLETION)] * 3 + [json_answer({}, 503)] * 99) as upstream:
        env["LLM_UPSTREAM_URL"] = upstream.url
        with running_gateway("--workers", "2", env=env) as gateway:
            answers = [gateway.complete(f"sk-agent-{number % 2}-0123456789").status_code for number in range(30)]
            assert answers[:3] == [200, 200, 200] and answers[-1] == 503

            def told() -> Any:
                found = gateway.ask("GET", "/providers").json()["items"]
                return next(one for one in found if one["name"] == "default")["health"]

            eventually(lambda: (told() or {"circuits": []})["circuits"])
            eventually(lambda: all(told() == told() for _ in range(4)))  # new connections: both workers
            health = told()
            assert health["calls"] - health["failed"] == 3 and health["failed"] >= 5 and health["latency_ms"] > 0
            (circuit,) = health["circuits"]
            assert (circuit["model"], circuit["state"]) == ("any", "open") and 0 < circuit["seconds"] <= 36
