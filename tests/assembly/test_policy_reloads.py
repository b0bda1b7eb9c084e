"""Policies that change while requests are under way: each request sees one version of them, from end to end."""

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx

from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, ScriptedUpstream

RELOADS = 500
AGENT = {"authorization": "Bearer sk-agent-0123456789abcdef"}
BODY = {
    "model": "stub-tool",
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": [{"type": "function", "function": {"name": "delete_file", "parameters": {"type": "object"}}}],
}


def version(number: int) -> str:
    """A document that says its number twice: in the limit it sets, and in the rule that denies every call."""
    return f"name: v{number}\nlimits: {{requests_per_minute: {1_000_000 + number}}}\ndeny: ['delete *']"


class Load:
    """Requests without a pause. `seen` holds, of each answer, the version that bounded and the one that judged it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.seen: list[tuple[int, int]] = []
        self.newest = 0

    async def run(self) -> None:
        while True:
            answer = await self._client.post("/v1/chat/completions", json=BODY)
            if answer.status_code == 503:  # Redis was slower than a request may wait, on a machine with other work
                continue
            assert answer.status_code == 200, answer.text
            if "x-ratelimit-limit-requests" not in answer.headers:  # likewise: limits are not counted then
                continue
            bounded = int(answer.headers["x-ratelimit-limit-requests"]) - 1_000_000
            (denied,) = answer.json()["choices"][0]["leuko"]["denied"]
            name, _, rule = denied["rule"].partition("/")
            assert rule == "deny/0"
            self.seen.append((bounded, int(name.removeprefix("v"))))
            self.newest = max(self.newest, bounded)


async def test_five_hundred_reloads_under_load_and_each_request_sees_one_version(
    tmp_path: Path, shared_redis: RedisServer
) -> None:
    (tmp_path / "policies").mkdir()
    file, next_one = tmp_path / "policies" / "ops.yaml", tmp_path / "next"
    file.write_text(version(0))
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "reloads:",
        "GATEWAY_POLICY_DIR": str(file.parent),
        "LOG_LEVEL": "INFO",
    }
    with running_gateway("--stub", env=env) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client, asyncio.timeout(60):
            load = Load(client)
            tasks = [asyncio.create_task(load.run()) for _ in range(8)]
            for number in range(1, RELOADS + 1):
                next_one.write_text(version(number))
                os.replace(next_one, file)
                gateway.process.send_signal(signal.SIGHUP)
                await reloaded(gateway, number, tasks)
            while load.newest < RELOADS:
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
    assert [pair for pair in load.seen if pair[0] != pair[1]] == []
    assert len({bounded for bounded, _ in load.seen}) > RELOADS / 10


async def test_an_answer_that_takes_long_is_judged_by_what_its_request_began_with(
    tmp_path: Path, shared_redis: RedisServer
) -> None:
    (tmp_path / "ops.yaml").write_text(version(0))
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: Request, talk: Conversation) -> None:
        asked.set()
        await go_on.wait()
        function = {"name": "delete_file", "arguments": "{}"}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        await talk.json({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]})

    async with ScriptedUpstream(slowly) as upstream:
        env = {
            "GATEWAY_REDIS_URL": shared_redis.url,
            "GATEWAY_REDIS_PREFIX": "reloaded:",
            "GATEWAY_POLICY_DIR": str(tmp_path),
            "LLM_UPSTREAM_URL": upstream.url,
            "LLM_UPSTREAM_API_KEY": "sk-provider-0123456789",
        }
        with running_gateway(env=env) as gateway:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client, asyncio.timeout(20):
                answering = asyncio.create_task(client.post("/v1/chat/completions", json=BODY, headers=AGENT))
                await asked.wait()
                (tmp_path / "ops.yaml").write_text("name: v1")
                gateway.process.send_signal(signal.SIGHUP)
                await reloaded(gateway, 1, [])
                go_on.set()
                answer = await answering
                later = await client.post("/v1/chat/completions", json=BODY, headers=AGENT)
    assert answer.json()["choices"][0]["leuko"]["denied"][0]["rule"] == "v0/deny/0"
    assert later.json()["choices"][0]["finish_reason"] == "tool_calls"


def test_changed_files_are_taken_over_by_themselves_and_bad_ones_are_not(
    tmp_path: Path, shared_redis: RedisServer
) -> None:
    file = tmp_path / "ops.yaml"
    file.write_text(version(0))
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "seen:",
        "GATEWAY_POLICY_DIR": str(tmp_path),
    }
    with running_gateway("--stub", env=env) as gateway:

        def in_force() -> int:
            answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=BODY)
            return int(answer.headers["x-ratelimit-limit-requests"]) - 1_000_000

        file.write_text(version(1) + "\ncases: [{call: {tool: delete_file}, expect: allow}]")
        eventually(lambda: "cases[0]: does not hold" in gateway.output)
        assert in_force() == 0
        file.write_text(version(2))
        eventually(lambda: in_force() == 2)
        metrics = gateway.admin("/metrics").text
    assert re.search(r"^leuko_policies_refused_total\S* 1", metrics, re.MULTILINE), metrics


async def reloaded(gateway: GatewayProcess, number: int, tasks: list["asyncio.Task[None]"]) -> None:
    """Until the gateway has said so for the `number`-th time."""
    while gateway.output.count("Read providers and keys again") < number:
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.002)
