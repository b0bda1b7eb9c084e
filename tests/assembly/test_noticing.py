"""A whole gateway that looks at what its agents do."""

import json
from typing import Any

import httpx
from redis import Redis

from gateway.immune.state import short
from gateway.store.keys import Keys
from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer

KEY = {"authorization": "Bearer sk-0123456789abcdef"}


def circle(rounds: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You tell the time."},
        {"role": "user", "content": "How late is it?"},
    ]
    for number in range(rounds):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "12:00"})
    return messages


def test_loops_are_blocked_runaways_cut_and_prompts_kept(shared_redis: RedisServer, redis_url: str) -> None:
    redis, keys = Redis.from_url(redis_url), Keys()
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url}) as gateway:

        def ask(messages: list[dict[str, Any]], **members: Any) -> httpx.Response:
            body = {"model": "stub-echo", "messages": messages, **members}
            return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=KEY, timeout=20)

        agent_id = httpx.get(f"{gateway.url}/v1/models", headers=KEY).headers["x-gateway-agent-id"]
        redis.hset(keys.watched(agent_id), "p", json.dumps({short("stub-echo"): [50, None, None]}))
        assert ask(circle(2)).status_code == 200
        eventually(lambda: redis.zcard(keys.prompts(agent_id)) == 1)
        long = [{"role": "user", "content": "So many words. " * 200}]

        assert "runaway answer" in ask(long, stream=True).text
        refused = ask(circle(6))
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "conversation_blocked"
        assert refused.headers["x-should-retry"] == "false"
    redis.close()
