"""Five hundred switches between NORMAL and EMERGENCY while agents ask: each decision is by a mode that was in force."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway.sdk import CreatedAgent, GatewayClient
from tests.scenarios.deployment import Deployment, deployed, script
from tests.scenarios.tools import SRE, for_chat
from tests.support.redis import RedisServer

SWITCHES = 500
PACE = 0.02
"""Seconds between two questions of one of those that make the load: the switches must get their turn, too."""
NEXT = {"NORMAL": "EMERGENCY", "EMERGENCY": "NORMAL"}
RESTART: dict[str, Any] = {"tool": "restart_service", "arguments": {"service": "cache"}}


@dataclass
class Switches:
    """When each mode was asked for and confirmed: it is certain from its confirmation until the next is asked for."""

    asked: list[float] = field(default_factory=list)
    confirmed: list[float] = field(default_factory=list)

    def may_have_been(self, mode: str, start: float, end: float) -> bool:
        """Whether the mode was in force at some time from `start` to `end`; the first switch is to EMERGENCY."""
        for number in range(-1, len(self.asked)):
            if (mode == "EMERGENCY") is (number % 2 == 0):
                since = self.asked[number] if number >= 0 else float("-inf")
                until = self.confirmed[number + 1] if number + 1 < len(self.confirmed) else float("inf")
                if since <= end and start <= until:
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    start: float
    end: float
    mode: str
    allowed: bool


@pytest.fixture(scope="module")
def world(shared_redis: RedisServer) -> Iterator[Deployment]:
    with deployed(shared_redis, "sre.yaml", args=("--workers", "2")) as one:
        yield one


def ask_until(over: threading.Event, client: GatewayClient, seen: list[Seen]) -> None:
    while not over.wait(PACE):
        start = time.monotonic()
        said = client.enforce("restart:service", "cache", **RESTART)
        assert said.mode is not None
        seen.append(Seen(start, time.monotonic(), said.mode, said.allowed))


def call_until(over: threading.Event, world: Deployment, agent: CreatedAgent, seen: list[Seen]) -> None:
    """Through a model."""
    ask = {"model": "stub-script", "messages": [{"role": "user", "content": "Go on."}], "tools": for_chat(SRE)}
    ask |= script("restart_service", {"service": "cache"})
    headers = {"authorization": f"Bearer {agent.api_key}"}
    with httpx.Client(base_url=world.gateway.url, headers=headers, timeout=20) as client:
        while not over.wait(PACE):
            start = time.monotonic()
            answer = client.post("/v1/chat/completions", json=ask)
            assert answer.status_code == 200
            allowed = "tool_calls" in answer.json()["choices"][0]["message"]
            seen.append(Seen(start, time.monotonic(), "EMERGENCY" if allowed else "NORMAL", allowed))


@pytest.mark.timeout(300)  # ten seconds where nothing else runs
def test_every_decision_is_by_a_mode_that_was_in_force(world: Deployment) -> None:
    agent, switches, over = world.agent("sre"), Switches(), threading.Event()
    asked: list[Seen] = []
    called: list[Seen] = []
    world.set_mode("NORMAL")
    with world.client(agent) as client, world.client(agent) as other:
        threads = [
            threading.Thread(target=ask_until, args=(over, client, asked)),
            threading.Thread(target=call_until, args=(over, world, agent, called)),
        ]
        for thread in threads:
            thread.start()
        mode = "NORMAL"
        try:
            for _ in range(SWITCHES):
                mode = NEXT[mode]
                switches.asked.append(time.monotonic())
                world.set_mode(mode)
                switches.confirmed.append(time.monotonic())
                said = other.enforce("restart:service", "cache", **RESTART)
                assert (said.mode, said.allowed) == (mode, mode == "EMERGENCY"), "what was confirmed counts at once"
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
    assert len(asked) > 50 and len(called) > 10, "there was load"
    for seen in asked + called:
        assert seen.allowed is (seen.mode == "EMERGENCY")
        assert switches.may_have_been(seen.mode, seen.start, seen.end), seen
