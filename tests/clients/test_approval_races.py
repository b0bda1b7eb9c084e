"""Calls that wait for a person on real gateways that share one Redis: two operators, restarts, other replicas, a
thousand at a time. Whatever happens, a call that was approved once leaves once."""

import asyncio
import json
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from gateway.store.approvals import Approvals, Pending
from gateway.store.connection import Connection
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

WAIT = 60
POLICY = {
    "name": "ops",
    "tools": {
        "held_tool": {"approval": "always", "on_deny": {"hold": {"wait_seconds": WAIT}}},
        "asked_tool": {"approval": "always"},
    },
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("held_tool", "asked_tool")
]


class Deployment:
    """Two replicas; agents are told apart by their keys."""

    def __init__(self, url: str) -> None:
        self.env = {
            "GATEWAY_REDIS_URL": url,
            "GATEWAY_REDIS_PREFIX": f"race{secrets.token_hex(4)}:",
            "GATEWAY_POLICIES": json.dumps([POLICY]),
        }
        self._running = ExitStack()
        self.agents = ThreadPoolExecutor(16)

    def __enter__(self) -> "Deployment":
        self.here, self.there = (self._running.enter_context(running_gateway("--stub", env=self.env)) for _ in range(2))
        return self

    def __exit__(self, *exc: object) -> None:
        self.agents.shutdown()
        self._running.close()

    def call(
        self, on: GatewayProcess, tool: str = "held_tool", *, key: str = "1", service: str = "web", stream: bool = False
    ) -> "Future[list[str]]":
        """An agent that asks, and gets this call from its model; the names of the calls that reach it."""
        return self.agents.submit(_ask, on.url, _body(tool, service, stream), key)

    def pending(self, count: int = 1) -> list[str]:
        """Ids of what waits, once there are so many."""
        found: list[str] = []

        def so_many() -> bool:
            items = self.there.admin("/approvals?status=pending&limit=1000").json()["items"]
            found[:] = [item["approval_id"] for item in items]
            return len(found) == count

        eventually(so_many)
        return found


def _body(tool: str, service: str, stream: bool = False) -> dict[str, Any]:
    turns = [{"calls": [{"name": tool, "arguments": {"service": service}}]}]
    messages = [{"role": "user", "content": "restart it"}]
    return {"model": "stub-script", "messages": messages, "tools": TOOLS, "stub": turns, "stream": stream}


def _ask(url: str, body: dict[str, Any], key: str) -> list[str]:
    headers = {"authorization": f"Bearer sk-racing-agent-{key}"}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=2 * WAIT, trust_env=False)
    return _calls(answer, stream=body["stream"])


def _calls(answer: httpx.Response, *, stream: bool) -> list[str]:
    if answer.status_code != 200:
        return []
    if not stream:
        calls = answer.json()["choices"][0]["message"].get("tool_calls") or []
        return [call["function"]["name"] for call in calls]
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    choices = [choice for line in lines for choice in json.loads(line).get("choices", ())]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
    return [call["function"]["name"] for call in calls if call.get("function", {}).get("name")]


@pytest.fixture(scope="module")
def deployment(shared_redis: RedisServer) -> Iterator[Deployment]:
    with Deployment(shared_redis.url) as one:
        yield one


@pytest.mark.parametrize("stream", [False, True])
def test_one_replica_approves_what_is_held_on_another(deployment: Deployment, stream: bool) -> None:
    held = deployment.call(deployment.here, key=f"a{stream}", stream=stream)
    (approval_id,) = deployment.pending()
    assert not held.done()
    shown = deployment.there.admin(f"/approvals/{approval_id}").json()
    assert (shown["tool"], shown["arguments"]) == ("held_tool", {"service": "web"})
    assert deployment.there.ask("POST", f"/approvals/{approval_id}/approve").status_code == 200
    assert held.result(20) == ["held_tool"]
    assert deployment.here.admin(f"/approvals/{approval_id}").json()["used_at"] is not None


def test_a_held_call_that_is_rejected_never_leaves(deployment: Deployment) -> None:
    held = deployment.call(deployment.here, key="r")
    (approval_id,) = deployment.pending()
    assert deployment.there.ask("POST", f"/approvals/{approval_id}/reject").status_code == 200
    assert held.result(20) == []
    assert deployment.call(deployment.there, key="r").result(20) == []  # nobody is asked again at once
    assert deployment.call(deployment.there, key="r", service="other") is not None
    (other,) = deployment.pending()
    deployment.here.ask("POST", f"/approvals/{other}/reject")


def test_two_operators_decide_once_and_the_agent_gets_what_was_decided(deployment: Deployment) -> None:
    agents = [deployment.call(deployment.here, key=f"t{number}") for number in range(8)]
    operators = ThreadPoolExecutor(2)
    approved = 0
    for approval_id in deployment.pending(8):
        path = f"/approvals/{approval_id}"
        tries = [
            operators.submit(deployment.here.ask, "POST", f"{path}/approve"),
            operators.submit(deployment.there.ask, "POST", f"{path}/reject"),
        ]
        assert sorted(one.result(20).status_code for one in tries) == [200, 409]
        approved += deployment.here.admin(path).json()["status"] == "approved"
    assert sum(len(agent.result(20)) for agent in agents) == approved


def test_one_approval_lets_one_of_several_same_calls_through(deployment: Deployment) -> None:
    """The same call is held in several conversations at once; the others ask anew, or are told to."""
    agents = [deployment.call(side, key="s") for side in (deployment.here, deployment.there) * 2]
    (approval_id,) = deployment.pending()
    deployment.there.ask("POST", f"/approvals/{approval_id}/approve")
    assert sum(len(agent.result(30)) for agent in agents) == 1


def test_what_waits_outlives_a_gateway_and_is_used_once(shared_redis: RedisServer) -> None:
    with Deployment(shared_redis.url) as deployment:
        lost = deployment.call(deployment.here, key="k")
        (held_id,) = deployment.pending()
        assert deployment.call(deployment.here, "asked_tool", key="k").result(20) == []
        (asked_id,) = set(deployment.pending(2)) - {held_id}
        deployment.there.ask("POST", f"/approvals/{asked_id}/approve")
        deployment.here.stop(signal.SIGKILL)
        with pytest.raises(httpx.HTTPError):
            lost.result(20)
        assert deployment.pending() == [held_id]
        with running_gateway("--stub", env=deployment.env) as again:
            tries = [deployment.call(side, "asked_tool", key="k") for side in (again, deployment.there) * 4]
            assert sum(len(one.result(20)) for one in tries) == 1
            held = deployment.call(again, key="k")
            assert held_id in deployment.pending(2)  # and the one that the other tries asked for
            assert not held.done()
            deployment.there.ask("POST", f"/approvals/{held_id}/approve")
            assert held.result(20) == ["held_tool"]
            deployment.call(again, key="k")
            last = deployment.pending(2)
            assert held_id not in last
            deployment.there.ask("POST", "/approvals/reject-all", json={"ids": last})


async def everybody(deployment: Deployment, asked: list[tuple[str, str]]) -> int:
    """Agents (by key) that call a tool for a service, on both replicas; how many calls reach them."""
    gate, urls = asyncio.Semaphore(16), (deployment.here.url, deployment.there.url)

    async def one(url: str, key: str, service: str) -> int:
        headers, body = {"authorization": f"Bearer sk-racing-agent-{key}"}, _body("asked_tool", service)
        async with gate, asyncio.timeout(60):
            while True:  # as an SDK would, for the machine may be busy
                answer = await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
                if answer.status_code == 200:
                    return len(_calls(answer, stream=False))
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.2)

    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return sum(await asyncio.gather(*(one(urls[n % 2], *it) for n, it in enumerate(asked))))


async def others(deployment: Deployment, count: int) -> None:
    """So many more wait, asked for on a third replica."""
    connection = Connection(deployment.env["GATEWAY_REDIS_URL"], prefix=deployment.env["GATEWAY_REDIS_PREFIX"])
    approvals = Approvals(connection, clock=time.time)
    for number in range(count):
        await approvals.ask(Pending("tool_call", f"agt_{number // 10}", "tool", {}, "rule", args_hash=str(number)))
    await connection.close()


def test_a_thousand_wait_and_each_leaves_once(deployment: Deployment) -> None:
    """All that others asked for is used as often as one asks in `tests/store`."""
    calls = [(f"m{agent}", f"web-{number}") for agent in range(10) for number in range(10)]
    assert asyncio.run(everybody(deployment, calls)) == 0
    asyncio.run(others(deployment, 900))
    ids = deployment.pending(1000)
    more = [("m0", "one more"), ("somebody else", "web"), calls[0]]
    assert asyncio.run(everybody(deployment, more)) == 0
    assert deployment.here.admin("/stats").json()["pending_approvals"] == 1000
    with ThreadPoolExecutor(2) as operators:
        decisions = [
            operators.submit(side.ask, "POST", "/approvals/approve-all", json={"ids": ids})
            for side in (deployment.here, deployment.there)
        ]
    changed = [item["changed"] for one in decisions for item in one.result().json()["items"]]
    assert (len(changed), sum(changed)) == (2000, 1000)
    assert asyncio.run(everybody(deployment, calls + calls[:20])) == 100
