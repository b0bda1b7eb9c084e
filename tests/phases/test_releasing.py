"""One intent and one grant from a model's answer to the MCP server, over a real gateway."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.mcp_server import RunningServer, running_mcp_server
from tests.support.redis import RedisServer
from tests.support.upstream import ThreadedUpstream, json_answer, threaded

POLICY = {
    "name": "tools",
    "default": "allow",
    "tools": {
        "delete_file": {"intent": "required"},
        "fail": {"intent": "off"},
    },
}
GRANTED = {
    "name": "granted",
    "match": {"agents": ["granted*"]},
    "default": "allow",
    "tools": {"add": {"grant": "required"}},
    "immune": {"mode": "warn"},
}
WATCHED = {
    "name": "watched",
    "match": {"agents": ["watched*"]},
    "default": "allow",
    "tools": {"add": {"grant": "optional"}},
}
TRACED: dict[str, Any] = {
    "name": "traced",
    "match": {"agents": ["traced*"]},
    "default": "allow",
    "tools": {"delete_file": {"arguments": {"path": {"provenance": ["user"]}}}},
}


@dataclass
class Agent:
    gateway: GatewayProcess
    agent_id: str
    key: str

    def ask(self, path: str, body: Any, **headers: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}", "accept": "application/json, text/event-stream", **headers}
        return httpx.post(self.gateway.url + path, json=body, headers=headers, timeout=20)

    def intent(self, *steps: dict[str, Any], **more: Any) -> str:
        made = self.ask("/api/v1/intents", {"goal": "tidy", "steps": list(steps), **more})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def propose(self, *calls: tuple[str, Any], token: str | None = None, asked: str = "go on") -> httpx.Response:
        """What becomes of these calls in a model's answer."""
        turn = {"calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
        names = dict.fromkeys(name for name, _ in calls)
        tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
        body = {
            "model": "stub-script",
            "messages": [{"role": "user", "content": asked}],
            "tools": tools,
            "stub": [turn],
        }
        return self.ask("/v1/chat/completions", body, **({} if token is None else {"x-intent-token": token}))

    def refused(self, *calls: tuple[str, Any], token: str | None = None, asked: str = "go on") -> str:
        """What the agent is told instead; empty where it gets the calls."""
        answer = self.propose(*calls, token=token, asked=asked)
        assert answer.status_code == 200, answer.text
        message = answer.json()["choices"][0]["message"]
        return "" if message.get("tool_calls") else str(message["content"])

    def execute(self, name: str, arguments: Any, token: str | None = None, to: str = "files", **more: Any) -> Any:
        """The answer of the MCP server, or of the gateway in its place."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        if token is not None:
            meta["io.leuko/intent"] = token
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": name, "arguments": arguments, "_meta": meta, **more},
        }
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name}
        answer = self.ask(f"/mcp/{to}", body, **headers)
        if answer.headers["content-type"].startswith("text/event-stream"):
            lines = [line[5:] for line in answer.text.splitlines() if line.startswith("data:")]
            return json.loads(lines[-1])
        return answer.json()

    def executed(self, name: str, arguments: Any, token: str | None = None) -> str:
        """What the agent reads; what a refusal says."""
        answer = self.execute(name, arguments, token)
        if "error" in answer:
            return str(answer["error"]["data"].get("reason") or answer["error"]["message"])
        return str(answer["result"]["content"][0]["text"])

    def may(self, tool: str, arguments: Any, token: str) -> dict[str, Any]:
        body = {"action": tool, "tool": tool, "arguments": arguments, "intent_token": token}
        found: dict[str, Any] = self.ask("/api/v1/enforce", body).json()
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_mcp_server() as running:
        yield running


@pytest.fixture(scope="module")
def asking() -> Iterator[ThreadedUpstream]:
    """A server that asks more before it does what is asked."""
    more = {"resultType": "input_required", "requestState": "theirs", "inputRequests": {"sure": {}}}
    with threaded(json_answer({"jsonrpc": "2.0", "id": 1, "result": more})) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(
    shared_redis: RedisServer, server: RunningServer, asking: ThreadedUpstream, tmp_path_factory: Any
) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "releasing:",
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("releasing")),
        "GATEWAY_POLICIES": json.dumps([POLICY, GRANTED, WATCHED, TRACED]),
        "GATEWAY_MCP_SERVERS": json.dumps({"files": server.url, "asks": f"{asking.url}/mcp"}),
    }
    with running_gateway("--stub", env=env) as running:
        yield running


def agent_of(gateway: GatewayProcess, name: str) -> Agent:
    made = gateway.ask("POST", "/agents", json={"name": name}).json()
    key = gateway.ask("POST", f"/agents/{made['agent_id']}/keys").json()["api_key"]
    return Agent(gateway, made["agent_id"], key)


@pytest.fixture(scope="module")
def agent(gateway: GatewayProcess) -> Agent:
    return agent_of(gateway, "bound")


@pytest.fixture(scope="module")
def granted(gateway: GatewayProcess) -> Agent:
    return agent_of(gateway, "granted-1")


ADD = {"tool": "add", "arguments": {"a": 1, "b": 2}}


def test_a_call_of_the_intent_is_released_and_then_executed_once(agent: Agent, server: RunningServer) -> None:
    token = agent.intent(ADD)
    assert agent.refused(("add", {"a": 1, "b": 2}), token=token) == ""
    before = len(server.calls)
    assert agent.executed("add", {"b": 2, "a": 1}, token) == "3"
    assert "uses_exhausted" in agent.executed("add", {"a": 1, "b": 2}, token)
    assert "uses_exhausted" in agent.refused(("add", {"a": 1, "b": 2}), token=token)
    assert len(server.calls) == before + 1


def test_two_equal_calls_of_one_turn_are_two_uses(agent: Agent) -> None:
    calls = [("add", {"a": 1, "b": 2})] * 2
    assert "uses_exhausted" in agent.refused(*calls, token=agent.intent(ADD))
    token = agent.intent({**ADD, "max_uses": 2})
    assert agent.refused(*calls, token=token) == ""
    assert [agent.executed("add", {"a": 1, "b": 2}, token) for _ in range(2)] == ["3", "3"]
    assert "uses_exhausted" in agent.executed("add", {"a": 1, "b": 2}, token)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (("add", {"a": 1, "b": 3}), "arguments_mismatch"),
        (("add", {"a": 1, "b": 2, "c": 3}), "arguments_mismatch"),
        (("slow", {}), "tool_not_in_intent"),
        (("delete_file", {"path": "/a"}), "step_order"),
    ],
)
def test_what_is_no_step_is_refused_everywhere_with_its_word(agent: Agent, call: tuple[str, Any], word: str) -> None:
    token = agent.intent(ADD, {"tool": "delete_file", "arguments": {"path": "/a"}, "after": [0]})
    assert word in agent.refused(call, token=token)
    assert word in agent.executed(*call, token=token)
    answer = agent.may(*call, token=token)
    assert (answer["allowed"], answer["rule"]) == (False, "intent")
    assert answer["reason"].startswith(word)


def test_steps_are_used_in_their_order(agent: Agent, server: RunningServer) -> None:
    token = agent.intent(ADD, {"tool": "delete_file", "arguments": {"path": "/a"}, "after": [0]})
    assert agent.executed("add", {"a": 1, "b": 2}, token) == "3"
    assert agent.may("delete_file", {"path": "/a"}, token)["allowed"]
    assert "uses_exhausted" in agent.executed("delete_file", {"path": "/a"}, token)


def test_constraints_bind_as_in_a_policy(agent: Agent) -> None:
    token = agent.intent({"tool": "add", "constraints": {"a": {"maximum": 3}, "b": {"type": "integer"}}, "max_uses": 9})
    assert agent.refused(("add", {"a": 3, "b": 5}), token=token) == ""
    assert "arguments_mismatch" in agent.refused(("add", {"a": 4, "b": 5}), token=token)
    assert "arguments_mismatch" in agent.executed("add", {"a": 4, "b": 5}, token)


def test_amounts_are_added_up_over_the_calls_of_an_intent(agent: Agent) -> None:
    step = {"tool": "add", "constraints": {"a": {"sum_max": {"value": 5, "per": "day"}}, "b": {}}, "max_uses": 9}
    token = agent.intent(step)
    assert agent.refused(("add", {"a": 3, "b": 1}), token=token) == ""
    assert "arguments_mismatch" in agent.refused(("add", {"a": 3, "b": 2}), token=token)
    assert agent.refused(("add", {"a": 2, "b": 3}), token=token) == ""


def test_without_an_intent_only_what_needs_one_is_refused(agent: Agent) -> None:
    assert agent.executed("add", {"a": 2, "b": 2}) == "4"
    assert "intent_required" in agent.executed("delete_file", {"path": "/a"})
    assert "intent_required" in agent.refused(("delete_file", {"path": "/a"}))


def test_an_intent_does_not_bind_where_a_document_says_so(agent: Agent) -> None:
    assert agent.refused(("fail", {}), token=agent.intent(ADD)) == ""


def test_a_plan_is_never_executed(agent: Agent, server: RunningServer) -> None:
    token, before = agent.intent(ADD, execution="plan_only"), len(server.calls)
    assert agent.refused(("add", {"a": 1, "b": 2}), token=token).startswith("Plan (not executed)")
    assert agent.execute("add", {"a": 1, "b": 2}, token)["result"]["_meta"]["io.leuko/dry_run"] is True
    assert not agent.may("add", {"a": 1, "b": 2}, token)["allowed"]
    assert len(server.calls) == before


def test_another_agents_token_is_refused_before_anything_is_asked(agent: Agent, granted: Agent) -> None:
    token = agent.intent(ADD)
    answer = granted.propose(("add", {"a": 1, "b": 2}), token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "intent_invalid")
    assert "wrong_agent" in answer.json()["error"]["message"]
    assert granted.executed("add", {"a": 1, "b": 2}, token) == "wrong_agent"
    assert "wrong_agent" in granted.may("add", {"a": 1, "b": 2}, token)["reason"]


def test_a_revoked_intent_is_refused_at_the_next_request(agent: Agent) -> None:
    made = agent.ask("/api/v1/intents", {"goal": "tidy", "steps": [ADD]}).json()
    assert agent.refused(("add", {"a": 1, "b": 2}), token=made["token"]) == ""
    httpx.delete(
        f"{agent.gateway.url}/api/v1/intents/{made['intent_id']}",
        headers={"authorization": f"Bearer {agent.key}"},
        timeout=20,
    ).raise_for_status()
    answer = agent.propose(("add", {"a": 1, "b": 2}), token=made["token"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "intent_invalid")
    assert agent.executed("add", {"a": 1, "b": 2}, made["token"]) == "revoked"


def test_a_single_use_is_won_once(agent: Agent) -> None:
    token = agent.intent(ADD)
    with ThreadPoolExecutor(16) as pool:
        ways = [lambda: agent.may("add", {"a": 1, "b": 2}, token).get("allowed", False)] * 30
        ways += [lambda: agent.executed("add", {"a": 1, "b": 2}, token) == "3"] * 30
        found = list(pool.map(lambda way: way(), ways))
    assert sum(found) == 1


def test_a_granted_call_is_executed_once_for_each_proposal(granted: Agent, server: RunningServer) -> None:
    before = len(server.calls)
    assert "grant_required" in granted.executed("add", {"a": 1, "b": 2})
    assert granted.refused(("add", {"a": 1, "b": 2}), ("mcp__files__add", {"b": 2, "a": 1.0})) == ""
    assert "grant_required" in granted.executed("add", {"a": 1, "b": 3})
    assert [granted.executed("add", {"a": 1, "b": 2}) for _ in range(3)][:2] == ["3", "3"]
    assert "grant_required" in granted.executed("add", {"a": 1, "b": 2})
    assert len(server.calls) == before + 2


def test_what_the_conversation_allowed_is_executed_without_it_once(gateway: GatewayProcess) -> None:
    traced = agent_of(gateway, "traced-1")
    call = ("delete_file", {"path": "/tmp/report.txt"})
    token = traced.intent({"tool": "delete_file", "arguments": call[1], "max_uses": 9})
    assert "does not come from user" in traced.executed(*call, token)
    assert traced.refused(call, token=token, asked="delete /tmp/report.txt please") == ""
    assert traced.executed(*call, token) == "deleted /tmp/report.txt"
    assert "does not come from user" in traced.executed(*call, token)


def test_a_call_nobody_proposed_is_a_finding(granted: Agent) -> None:
    granted.executed("add", {"a": 70, "b": 7})
    found: list[Any] = []

    def is_recorded() -> bool:
        page = granted.gateway.admin(f"/audit?agent_id={granted.agent_id}&limit=50").json()["items"]
        found[:] = [one for one in page if one["metadata"].get("finding") == "unsanctioned_call"]
        return bool(found)

    eventually(is_recorded)
    assert (found[0]["tool"], found[0]["allowed"], found[0]["rule"]) == ("add", False, "granted/tools/add/grant")


def test_whoever_goes_past_models_is_quarantined(gateway: GatewayProcess) -> None:
    watched = agent_of(gateway, "watched-1")
    assert watched.executed("add", {"a": 70, "b": 7}) == "77"

    def blocked() -> bool:
        life: dict[str, Any] = gateway.admin(f"/lifecycle/{watched.agent_id}").json()
        return life["state"] in ("QUARANTINED", "HEALING", "EXHAUSTED")

    eventually(blocked)
    refused = watched.ask("/v1/chat/completions", {"model": "stub-echo", "messages": []})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "agent_quarantined"
    assert "unsanctioned_call (ungranted)" in refused.json()["error"]["message"]


def token_of(agent: Agent, call_id: str) -> httpx.Response:
    return httpx.get(
        f"{agent.gateway.url}/api/v1/calls/{call_id}", headers={"authorization": f"Bearer {agent.key}"}, timeout=20
    )


def proposed(agent: Agent, call: tuple[str, Any], token: str | None = None) -> str:
    """The id of the call."""
    answer = agent.propose(call, token=token)
    return str(answer.json()["choices"][0]["message"]["tool_calls"][0]["id"])


def test_the_agent_gets_a_call_token_for_a_released_call(agent: Agent) -> None:
    token = agent.intent(ADD)
    told = token_of(agent, proposed(agent, ("add", {"a": 1, "b": 2}), token))
    assert told.status_code == 200, told.text
    assert told.json()["token"].count(".") == 2


def test_a_use_whose_call_token_was_fetched_is_not_executed_at_the_proxy_as_well(
    agent: Agent, server: RunningServer
) -> None:
    call, token = ("add", {"a": 1, "b": 2}), agent.intent(ADD)
    call_id, before = proposed(agent, call, token), len(server.calls)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: token_of(agent, call_id), range(8)))
    assert {one.status_code for one in told} == {200} and len({one.json()["token"] for one in told}) == 1
    assert "uses_exhausted" in agent.executed(*call, token)
    assert len(server.calls) == before


def test_a_call_that_the_proxy_executed_has_no_second_token(agent: Agent) -> None:
    call, token = ("add", {"a": 1, "b": 2}), agent.intent(ADD)
    call_id = proposed(agent, call, token)
    assert agent.executed(*call, token) == "3"
    told = token_of(agent, call_id)
    assert told.status_code == 403 and "uses_exhausted" in told.text


def test_a_granted_call_is_executed_by_its_token_or_at_the_proxy(granted: Agent) -> None:
    call = ("add", {"a": 5, "b": 2})
    call_id = proposed(granted, call)
    assert [token_of(granted, call_id).status_code for _ in range(2)] == [200, 200]
    assert "grant_required" in granted.executed(*call)
    call_id = proposed(granted, call)
    assert granted.executed(*call) == "7"
    told = token_of(granted, call_id)
    assert told.status_code == 403 and "grant_required" in told.text


def test_what_was_granted_dies_with_the_quarantine_of_its_agent(gateway: GatewayProcess) -> None:
    caught, call = agent_of(gateway, "granted-caught"), ("add", {"a": 1, "b": 1})
    proposed(caught, call)
    gateway.ask("POST", f"/quarantine/{caught.agent_id}", json={"reason": "odd"}).raise_for_status()
    gateway.ask("DELETE", f"/quarantine/{caught.agent_id}").raise_for_status()
    assert "grant_required" in caught.executed(*call)


def sent_on(asking: ThreadedUpstream) -> list[dict[str, Any]]:
    """The parameters of the calls that the server was asked for."""
    asked = [one.json() for one in asking.requests]
    return [one["params"] for one in asked if one["method"] == "tools/call"]


def test_a_call_goes_on_under_the_use_and_the_grant_that_it_began_with(
    agent: Agent, granted: Agent, asking: ThreadedUpstream
) -> None:
    call = ("add", {"a": 1, "b": 2})
    token = agent.intent(ADD)
    assert granted.refused(call) == ""
    for caller, shown in ((agent, token), (granted, None)):
        asking.requests.clear()
        state = caller.execute(*call, shown, to="asks")["result"]["requestState"]
        assert state != "theirs"
        again = caller.execute(*call, shown, to="asks", requestState=state, inputResponses={})["result"]
        assert again["resultType"] == "input_required"
        first, second = sent_on(asking)
        assert second["requestState"] == "theirs" and "requestState" not in first
        assert first["_meta"]["io.leuko/call"] != second["_meta"]["io.leuko/call"]
        for stolen in (state, "theirs"):
            refused = caller.execute(*call, shown, to="asks", requestState=stolen, inputResponses={})
            assert refused["result"]["isError"] is True, refused
        assert len(sent_on(asking)) == 2


def test_a_call_does_not_go_on_without_its_intent_or_after_that_was_revoked(
    agent: Agent, asking: ThreadedUpstream
) -> None:
    call, path = ("delete_file", {"path": "/a"}), "/api/v1/intents"
    made = agent.ask(path, {"goal": "tidy", "steps": [{"tool": call[0], "arguments": call[1]}]}).json()
    state = agent.execute(*call, made["token"], to="asks")["result"]["requestState"]
    asking.requests.clear()
    assert agent.execute(*call, to="asks", requestState=state)["result"]["isError"] is True
    httpx.delete(
        f"{agent.gateway.url}{path}/{made['intent_id']}", headers={"authorization": f"Bearer {agent.key}"}, timeout=20
    ).raise_for_status()
    assert agent.execute(*call, made["token"], to="asks", requestState=state)["error"]["data"]["reason"] == "revoked"
    assert sent_on(asking) == []
