"""A provider fails for ten agents at once: it is blamed, nobody is quarantined, and all go on when it is back."""

import asyncio
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, json_answer, threaded

AGENTS = 10
TIMEOUTS = {"first_byte": 1}
GOOD = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
}


class Provider:
    """Answers well, or as its `trouble` says. Counts what it is asked."""

    def __init__(self) -> None:
        self.trouble: str = ""
        self.asked = 0

    async def __call__(self, request: Request, talk: Conversation) -> None:
        self.asked += 1
        if self.trouble == "stall":
            await asyncio.sleep(3)
        elif self.trouble:
            await talk.send(json_answer({"error": {"message": "not now"}}, int(self.trouble)))
        else:
            await talk.send(json_answer(GOOD))


def ask(agent: httpx.Client, question: str) -> int:
    body = {"model": "m-1", "messages": [{"role": "user", "content": question}]}
    return agent.post("/v1/chat/completions", json=body).status_code


def all_ask(agents: list[httpx.Client], rounds: int, name: str) -> list[int]:
    with ThreadPoolExecutor(AGENTS) as pool:
        asked = [pool.submit(ask, agent, f"{name} {number}") for number in range(rounds) for agent in agents]
        return [one.result() for one in asked]


@pytest.mark.parametrize("trouble", ["503", "429", "stall"])
def test_a_provider_that_fails_for_all_is_blamed_and_no_agent_is(
    shared_redis: RedisServer, tmp_path: Path, trouble: str
) -> None:
    provider = Provider()
    with threaded(provider) as upstream:
        env = {
            "GATEWAY_REDIS_URL": shared_redis.url,
            "GATEWAY_REDIS_PREFIX": f"outage{secrets.token_hex(4)}:",
            "GATEWAY_DATA_DIR": str(tmp_path),
            "LLM_UPSTREAM_URL": f"{upstream.url}/v1",
            "GATEWAY_TIMEOUTS": json.dumps(TIMEOUTS),
        }
        with running_gateway(env=env) as gateway, ExitStack() as stack:
            keys = [{"authorization": f"Bearer sk-outage-{number}"} for number in range(AGENTS)]
            agents = [stack.enter_context(httpx.Client(base_url=gateway.url, headers=key, timeout=20)) for key in keys]

            def get(path: str) -> Any:
                return gateway.admin(path).json()

            assert set(all_ask(agents, 31, "Well")) == {200}
            eventually(lambda: {one["state"] for one in get("/agents")["items"]} == {"HEALTHY"})
            provider.trouble, before = trouble, provider.asked
            refused = all_ask(agents, 12, "Ill")
            assert set(refused) <= {429, 502, 503, 504}
            if trouble != "429":  # which is the provider's word on the caller, not a failure
                assert provider.asked - before < len(refused)  # the breaker is open
            eventually(lambda: get("/stats")["external"] != [])
            (incident,) = [one for one in get("/incidents")["items"] if one["agent_id"] is None]
            assert incident["detail"]["model"] == "m-1"
            assert get("/quarantine")["items"] == []
            provider.trouble = ""
            # The breaker lets one try through after half a minute or so; until then all are told to come again.
            if trouble == "429":
                assert set(all_ask(agents, 2, "Well again")) == {200}
            assert get("/quarantine")["items"] == []
            assert {one["throttled"] for one in get("/agents")["items"]} == {False}
