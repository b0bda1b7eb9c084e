"""Sessions with a real server: they belong to one agent, and end when that agent does."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually
from tests.support.mcp_client import agent_with_key
from tests.support.mcp_path import ACCEPT, call, request
from tests.support.mcp_server import RunningServer

VERSION = "2025-06-18"
Said = dict[str, Any]


class Agent:
    """One agent with a session."""

    def __init__(self, gateway: GatewayProcess, name: str) -> None:
        self.agent_id, self.key_id, self.key = agent_with_key(gateway, name)
        self.http = httpx.Client(base_url=gateway.url, timeout=20, trust_env=False)
        self.session = ""
        info = {"name": name, "version": "1"}
        answer = self.post(request("initialize", protocolVersion=VERSION, capabilities={}, clientInfo=info))
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]
        assert self.post(request("notifications/initialized", None)).status_code == 202

    def headers(self, **more: str) -> dict[str, str]:
        own = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **ACCEPT}
        if self.session:
            own |= {"mcp-session-id": self.session, "mcp-protocol-version": VERSION}
        return {**own, **more}

    def post(self, message: Any, **more: str) -> httpx.Response:
        return self.http.post("/mcp/files", content=json.dumps(message), headers=self.headers(**more))


@pytest.fixture
def agent(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Iterator[Agent]:
    made = Agent(gateway, f"s-{abs(hash(request.node.name))}")
    yield made
    made.http.close()


def answer_in(response: httpx.Response) -> Said:
    """The last message of an answer, whole or streamed."""
    if response.headers["content-type"].startswith("application/json"):
        return dict(response.json())
    return dict(json.loads(response.text.strip().rpartition("data: ")[2]))


def test_a_session_is_used_by_its_agent_only(gateway: GatewayProcess, agent: Agent, key: str) -> None:
    assert answer_in(agent.post(call("add", a=1, b=2)))["result"]["content"][0]["text"] == "3"
    stolen = agent.post(call("add", a=1, b=2), authorization=f"Bearer {key}")
    assert stolen.status_code == 404 and stolen.json()["error"]["code"] == -32600


def test_a_session_that_was_ended_is_gone(agent: Agent) -> None:
    assert agent.http.delete("/mcp/files", headers=agent.headers()).status_code == 200
    assert agent.post(call("add", a=1, b=2)).status_code == 404


def test_a_server_without_batches_says_so_itself_and_denied_calls_do_not_reach_it(
    agent: Agent, server: RunningServer
) -> None:
    before = len(server.requests)
    answers = agent.post(
        [call("delete_file", 1, path="/"), call("delete_file", 2, path="/")], **{"mcp-protocol-version": "2025-03-26"}
    )
    assert [one["result"]["isError"] for one in answers.json()] == [True, True]
    assert len(server.requests) == before
    assert agent.post([call("add", 1, a=1, b=2)]).status_code == 400  # 2025-06-18 has none


@contextlib.contextmanager
def slow_call(agent: Agent, server: RunningServer) -> Iterator[Iterator[str]]:
    """A call under way, and the lines of its answer."""
    before = len(server.calls)
    with agent.http.stream("POST", "/mcp/files", json=call("slow", 9), headers=agent.headers()) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        eventually(lambda: len(server.calls) > before)
        yield lines


def error_in(lines: Iterator[str]) -> Said:
    said = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return dict(json.loads(said[-1]))


@pytest.fixture
def stands(agent: Agent) -> Iterator[Iterator[str]]:
    """The lines of the agent's GET stream."""
    client = httpx.Client(base_url=str(agent.http.base_url), timeout=20, trust_env=False)
    with client as http, http.stream("GET", "/mcp/files", headers=agent.headers()) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield answer.iter_lines()


def test_quarantine_cuts_calls_and_streams(
    gateway: GatewayProcess, agent: Agent, server: RunningServer, stands: Iterator[str]
) -> None:
    with slow_call(agent, server) as lines:
        made = gateway.ask("POST", f"/quarantine/{agent.agent_id}", json={"reason": "test"})
        assert made.status_code in (200, 201), made.text
        error = error_in(lines)
    assert (error["id"], error["error"]["data"]["code"]) == (9, "agent_quarantined")
    assert not [line for line in stands if "{" in line]
    refused = agent.post(call("add", a=1, b=2))
    assert refused.status_code == 403 and refused.json()["error"]["data"]["code"] == "agent_quarantined"


def test_a_key_that_is_revoked_cuts_calls_and_streams(
    gateway: GatewayProcess, agent: Agent, server: RunningServer, stands: Iterator[str]
) -> None:
    with slow_call(agent, server) as lines:
        assert gateway.ask("DELETE", f"/agents/{agent.agent_id}/keys/{agent.key_id}").status_code == 204
        error = error_in(lines)
    assert (error["id"], error["error"]["data"]["code"]) == (9, "invalid_api_key")
    assert not [line for line in stands if "{" in line]
    assert agent.post(call("add", a=1, b=2)).status_code == 401


def test_the_record_says_what_was_called(gateway: GatewayProcess, agent: Agent) -> None:
    assert answer_in(agent.post(call("add", a=1, b=2)))["result"]

    def entries() -> list[Said]:
        return [
            one
            for one in gateway.admin(f"/audit?agent_id={agent.agent_id}").json()["items"]
            if one["action"] == "call:tool"
        ]

    eventually(lambda: len(entries()) == 2)
    assert {(one["kind"], one["resource"]) for one in entries()} == {
        ("decision", "files/add"),
        ("outcome", "files/add"),
    }
