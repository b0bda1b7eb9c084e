"""Two replicas watch the same agents: what one finds, both act on, and when one is killed the other goes on."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.scenarios.test_healing import circles
from tests.support.gateway import GatewayProcess, eventually, start_gateway
from tests.support.redis import RedisServer

HELLO = [{"role": "user", "content": "Hello"}]


class Pair:
    """Two gateways over one Redis; agents are told by their credentials, and by names where they give one."""

    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self._redis, self._directory = redis, directory
        self._prefix = f"pair{secrets.token_hex(4)}:"
        self.gateways = [self.start(number) for number in range(2)]

    def start(self, number: int) -> GatewayProcess:
        env = {
            "GATEWAY_REDIS_URL": self._redis.url,
            "GATEWAY_REDIS_PREFIX": self._prefix,
            "GATEWAY_DATA_DIR": str(self._directory / str(number)),
        }
        return start_gateway("--stub", env=env)

    def stop(self) -> None:
        for gateway in self.gateways:
            gateway.process.kill()

    def say(self, key: str, messages: list[dict[str, Any]] | None = None, *, at: int = 0, **headers: str) -> Any:
        return httpx.post(
            f"{self.gateways[at].url}/v1/chat/completions",
            json={"model": "stub-echo", "messages": messages or HELLO},
            headers={"authorization": f"Bearer {key}", **headers},
            timeout=20,
        )

    def works(self, key: str, calls: int, *, at: int = 0, first: int = 0, **headers: str) -> str:
        """The agent's id."""
        for number in range(first, first + calls):
            answer = self.say(key, [{"role": "user", "content": f"Question {number}"}], at=at, **headers)
            assert answer.status_code == 200, answer.text
        return str(answer.headers["x-gateway-agent-id"])

    def get(self, path: str, *, at: int = 0) -> Any:
        return self.gateways[at].admin(path).json()

    def state(self, agent_id: str, *, at: int = 0) -> str:
        return str(self.get(f"/agents/{agent_id}", at=at)["state"])

    def known(self, agent_id: str, *, at: int = 0) -> int:
        """How many calls its baseline has."""
        found = self.gateways[at].admin(f"/agents/{agent_id}/baseline")
        return int(found.json()["calls"]) if found.status_code == 200 else 0


@pytest.fixture
def pair(own_redis: RedisServer, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        pair = Pair(own_redis, tmp_path)
        stack.callback(pair.stop)
        yield pair


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 403, answer.text
    return str(answer.json()["error"]["code"])


def test_an_automatic_quarantine_holds_on_every_replica_and_survives_kills_and_restarts(pair: Pair) -> None:
    agent_id = pair.works("sk-pair-1", 35)
    eventually(lambda: pair.state(agent_id) == "HEALTHY")
    # Somebody holds it, so that it is not healed meanwhile: an operator's word and the gateway's are one mechanism.
    assert refused(pair.say("sk-pair-1", circles())) == "conversation_blocked"
    eventually(lambda: pair.say("sk-pair-1", at=1).status_code == 403, within=5)
    (incident,) = pair.get(f"/incidents?agent_id={agent_id}", at=1)["items"]
    assert [finding["type"] for finding in incident["findings"]] == ["tool_loop"]
    held = pair.gateways[1].ask("POST", f"/quarantine/{agent_id}", json={"reason": "looked at"})
    assert held.status_code == 200
    for gateway in pair.gateways:
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()
    pair.gateways = [pair.start(number) for number in range(2)]
    assert [refused(pair.say("sk-pair-1", at=at)) for at in range(2)] == ["agent_quarantined"] * 2
    assert pair.get(f"/incidents/{incident['incident_id']}")["closed_at"] is None


def test_when_the_replica_that_watches_is_killed_the_other_loses_nothing_and_counts_nothing_twice(pair: Pair) -> None:
    agents = {f"sk-many-{number}": pair.works(f"sk-many-{number}", 5, at=1) for number in range(12)}
    for agent_id in agents.values():
        eventually(lambda one=agent_id: pair.known(one, at=1) == 5)
    pair.gateways[0].process.kill()  # which watched half of them, or all
    for key in agents:
        pair.works(key, 5, at=1, first=5)
    for agent_id in agents.values():
        eventually(lambda one=agent_id: pair.known(one, at=1) == 10, within=10)


def test_who_is_blocked_gets_round_it_neither_by_a_name_nor_by_a_prompt_and_neighbours_do_not_suffer(
    pair: Pair,
) -> None:
    prompt = [{"role": "system", "content": "You are a support agent."}, *HELLO]
    agent_id = pair.works("sk-evader", 35)
    neighbour = pair.works("sk-neighbour", 35)
    named = pair.works("sk-evader", 5, **{"x-agent-id": "colleague"})  # behind the same credential, and there before
    eventually(lambda: pair.state(agent_id) == "HEALTHY" and pair.state(neighbour) == "HEALTHY")
    held = pair.gateways[0].ask("POST", f"/quarantine/{agent_id}", json={"reason": "looked at"})
    assert held.status_code == 200
    tricks: list[dict[str, str]] = [
        {},
        {"user-agent": "curl/8"},
        {"x-agent-id": "somebody-else"},
        {"x-agent-session": "another"},
        {"x-forwarded-for": "203.0.113.9"},
    ]
    for at in range(2):
        for trick in tricks:
            assert refused(pair.say("sk-evader", prompt, at=at, **trick)) == "agent_quarantined"
        # Twice would be another prompt than it has: that is found of it, whoever else is blocked.
        assert pair.say("sk-neighbour", None if at else prompt, at=at).status_code == 200
        assert pair.say("sk-evader", at=at, **{"x-agent-id": "colleague"}).status_code == 200
    (incident,) = pair.get(f"/incidents?agent_id={agent_id}")["items"]
    eventually(
        lambda: (
            "identity_evasion" in [one["type"] for one in pair.get(f"/incidents/{incident['incident_id']}")["findings"]]
        )
    )
    assert {pair.state(neighbour), pair.state(named)} <= {"HEALTHY", "INITIALIZING"}
