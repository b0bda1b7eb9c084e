"""Tool servers that verify for themselves: what comes past the gateway is not executed, what comes through it once."""

from typing import Any

import httpx
import pytest

from gateway.sdk import CreatedAgent, InvalidRequest
from gateway.sdk.jws import InvalidCall
from gateway.sdk.verifier import CallVerifier
from tests.scenarios.loop import BOUND, GRANTED, Loop, mcp_answer, mcp_call, verifier

CACHE = {"service": "cache"}
RESTART = ("restart_service", CACHE)
STEP: dict[str, Any] = {"tool": "restart_service", "arguments": CACHE, "max_uses": 2}


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(BOUND)


def past_the_gateway(loop: Loop, agent: CreatedAgent, call_token: str = "") -> httpx.Response:
    headers, body = mcp_call(agent, *RESTART)
    if call_token:
        body["params"]["_meta"] = {"io.leuko/call": call_token}
    return httpx.post(loop.guarded.url, headers=headers, json=body, timeout=20)


def test_only_what_came_through_the_gateway_is_executed_and_only_once(loop: Loop, agent: CreatedAgent) -> None:
    assert past_the_gateway(loop, agent).status_code == 403
    token = loop.plan(agent, STEP).token
    assert loop.execute(agent, *RESTART, token=token, server="guarded").allowed
    replayed = past_the_gateway(loop, agent, loop.guarded.meta[-1]["io.leuko/call"])
    assert replayed.status_code == 403 and replayed.json()["error"]["data"]["reason"] == "uses_exhausted"
    assert loop.guarded.executed() == [RESTART]


def test_what_was_granted_carries_its_proof_too(loop: Loop) -> None:
    agent = loop.agent(GRANTED)
    assert loop.propose(agent, RESTART).allowed
    assert loop.execute(agent, *RESTART, server="guarded").allowed
    assert loop.guarded.executed() == [RESTART]


def test_a_caller_cannot_speak_in_the_gateways_name(loop: Loop, agent: CreatedAgent) -> None:
    token = loop.plan(agent, STEP).token
    headers, body = mcp_call(agent, *RESTART, token=token)
    body["params"]["_meta"] = {"io.leuko/call": "forged", "io.leuko/other": 1, "mine": 2}
    answer = httpx.post(f"{loop.gateways[0].url}/mcp/guarded", headers=headers, json=body, timeout=20)
    assert mcp_answer(answer).allowed
    (meta,) = loop.guarded.meta
    assert meta["io.leuko/call"] != "forged" and set(meta) == {"io.leuko/call", "mine"}


class Tools:
    """An agent's own tools, behind the verifier."""

    def __init__(self, verifier: CallVerifier) -> None:
        self.done: list[str] = []

        @verifier.guard()
        def restart_service(service: str) -> str:
            self.done.append(service)
            return f"{service} was restarted"

        self.restart_service = restart_service


@pytest.fixture
def tools(loop: Loop) -> Tools:
    return Tools(verifier(loop.gateways[1].url, loop.issuer))


def test_an_agent_that_executes_by_itself_fetches_the_proof_of_each_call(
    loop: Loop, agent: CreatedAgent, tools: Tools
) -> None:
    token = loop.plan(agent, STEP).token
    ((call_id, name, arguments),) = loop.propose(agent, RESTART, token=token).calls
    with loop.client(agent) as client:
        proof = client.call_token(call_id)
        assert (proof.tool, proof.audience) == (name, "tools")
        with pytest.raises(InvalidCall, match="arguments_mismatch"):
            tools.restart_service(service="database", call_token=proof.token)  # type: ignore[call-arg]
        assert tools.restart_service(**arguments, call_token=proof.token) == "cache was restarted"
        assert client.call_token(call_id).token == proof.token, "it is the same one each time"
        with pytest.raises(InvalidCall, match="uses_exhausted"):
            tools.restart_service(**arguments, call_token=proof.token)
    with pytest.raises(InvalidCall, match="intent_required"):
        tools.restart_service(service="cache")
    assert tools.done == ["cache"]


def test_a_refused_call_and_another_agents_call_have_no_proof(loop: Loop, agent: CreatedAgent) -> None:
    token = loop.plan(agent, STEP).token
    ((call_id, _, _),) = loop.propose(agent, RESTART, token=token).calls
    with loop.client(loop.agent(BOUND)) as other, pytest.raises(InvalidRequest):
        other.call_token(call_id)
    with loop.client(agent) as client, pytest.raises(InvalidRequest):
        client.call_token("call_that_never_was")


def test_tokens_signed_before_the_keys_were_rotated_still_count(loop: Loop, agent: CreatedAgent, tools: Tools) -> None:
    token = loop.plan(agent, STEP).token
    ((call_id, _, arguments),) = loop.propose(agent, RESTART, token=token).calls
    with loop.client(agent) as client:
        before = client.call_token(call_id).token
        assert loop.gateways[0].ask("POST", "/signing-keys/rotate").status_code == 200
        assert tools.restart_service(**arguments, call_token=before) == "cache was restarted"
        assert client.introspect_intent(token)["uses"] == {"s1": 1}
        assert client.introspect_intent(loop.plan(agent, STEP).token)["active"]
