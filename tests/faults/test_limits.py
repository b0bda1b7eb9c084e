"""Limits and budgets of a gateway with two workers, from outside: crowds, renamed agents, a lost Redis."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway, spawn_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, json_answer, threaded

CROWDS = [300, pytest.param(1000, marks=pytest.mark.faults)]
INPUT, OUTPUT = 20, 100
SET_ASIDE = """local open = 0
for _, key in ipairs(redis.call('KEYS', '*reservation:*')) do
  open = open + (redis.call('GET', key) == 'settled' and 0 or 1)
end
return open"""
"""How many reservations are open; those settled before they came are remembered for a while."""


async def provider(request: Request, talk: Conversation) -> None:
    """Uses all the output it may, after a moment in which others come."""
    await asyncio.sleep(0.05)
    usage = {"prompt_tokens": INPUT, "completion_tokens": request.json().get("max_tokens", OUTPUT)}
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    await talk.send(json_answer({"id": "c", "choices": choices, "usage": usage}))


def environment(redis: RedisServer, tmp_path: Path, upstream: str, **document: Any) -> dict[str, str]:
    return {
        "GATEWAY_REDIS_URL": redis.url,
        "GATEWAY_DATA_DIR": str(tmp_path),
        "LLM_UPSTREAM_URL": upstream,
        "GATEWAY_POLICIES": json.dumps([{"name": "crowd", **document}]),
    }


async def crowd(gateway: GatewayProcess, size: int, **headers: str) -> list[httpx.Response]:
    """So many requests at once, each on a connection of its own and under a name of its own."""
    ask = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": OUTPUT}
    credential = {"authorization": "Bearer sk-0123456789abcdef", **headers}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:

        async def one(number: int) -> httpx.Response:
            named = {**credential, "x-agent-id": f"bot-{number}"}
            return await client.post(f"{gateway.url}/v1/chat/completions", json=ask, headers=named)

        return await asyncio.gather(*map(one, range(size)))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("size", CROWDS)
async def test_a_rate_lets_exactly_its_number_of_a_crowd_pass(
    size: int, own_redis: RedisServer, tmp_path: Path
) -> None:
    for attempt in range(3):
        assert own_redis.ask("FLUSHALL") == b"+OK\r\n"
        with threaded(provider) as upstream:
            env = environment(own_redis, tmp_path / str(attempt), upstream.url, limits={"requests_per_minute": 37})
            with running_gateway("--workers", "2", env=env) as gateway:
                answers = await crowd(gateway, size)
                if statuses(answers)[200] < 37:  # some were asked to come again
                    answers += await crowd(gateway, 60)
        # On a machine so busy that Redis seemed lost, each worker kept its share by itself, and said so.
        if not any("x-gateway-degraded" in answer.headers for answer in answers):
            break
    assert statuses(answers).keys() <= {200, 429, 503}
    assert statuses(answers)[200] == len(upstream.requests) == 37


@pytest.mark.parametrize("size", CROWDS)
async def test_a_crowd_spends_a_budget_and_nothing_beyond_it(size: int, own_redis: RedisServer, tmp_path: Path) -> None:
    budget = 5000
    with threaded(provider) as upstream:
        env = environment(own_redis, tmp_path, upstream.url, budgets={"tokens_per_day": budget})
        with running_gateway("--workers", "2", env=env) as gateway:
            used, passed = 0, 1
            while passed:  # what one crowd set aside and did not use is there for the next
                answers = await crowd(gateway, size if used == 0 else 20)
                assert statuses(answers).keys() <= {200, 429, 503}
                passed = statuses(answers)[200] + statuses(answers)[503]
                used += sum(sum(a.json()["usage"].values()) for a in answers if a.status_code == 200)
                eventually(lambda: own_redis.ask("EVAL", SET_ASIDE, "0") == b":0\r\n")
    reservation = len(upstream.requests[0].body) // 2 + 8 + OUTPUT
    assert budget - reservation <= used <= budget


async def test_without_redis_the_workers_keep_a_rate_together_and_budgets_close(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    with threaded(provider) as upstream:
        env = environment(own_redis, tmp_path, upstream.url, limits={"requests_per_minute": 40})
        with running_gateway("--workers", "2", env=env) as gateway:
            assert statuses(await crowd(gateway, 10)) == {200: 10}
            own_redis.kill()
            found = statuses(await crowd(gateway, 200))
    assert 1 <= found[200] <= 40, found
    assert found.keys() <= {200, 429, 503}


async def test_a_changed_policy_file_is_in_force_without_a_restart_and_a_wrong_one_changes_nothing(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    with threaded(provider) as upstream:
        env = environment(own_redis, tmp_path, upstream.url) | {"GATEWAY_POLICY_DIR": str(policies)}
        with running_gateway(env=env) as gateway:
            assert statuses(await crowd(gateway, 3)) == {200: 3}
            (policies / "ops.yaml").write_text("name: ops\nlimits: {requests_per_minute: 2}")
            eventually(lambda: "Read the policy documents again" in gateway.output)
            assert statuses(await crowd(gateway, 5)) == {200: 2, 429: 3}
            (policies / "ops.yaml").write_text("name: ops\nlimit: {}")
            eventually(lambda: "ops.yaml: limit: is not known; did you mean limits?" in gateway.output)
            assert statuses(await crowd(gateway, 3)) == {429: 3}


def test_a_gateway_does_not_start_with_a_wrong_policy(tmp_path: Path) -> None:
    env = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_POLICIES": '[{"name":"x","limits":{"concurent":1}}]'}
    gateway = spawn_gateway("--workers", "2", env=env)
    assert gateway.stop(0) == 1
    assert "GATEWAY_POLICIES[0]: limits.concurent: is not known; did you mean concurrent?" in gateway.output
    assert "Traceback" not in gateway.output
