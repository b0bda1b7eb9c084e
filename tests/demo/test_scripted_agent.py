"""The agent of the walkthroughs: does what its model calls, and says in a word what came of it."""

from typing import Any

import pytest

from gateway.demo.scripted_agent import Outcome, ScriptedAgent
from tests.demo.staged import Gateway, Told


def answer(message: dict[str, Any], **choice: Any) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"role": "assistant", **message}, **choice}]}


def called(name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


RESULT: tuple[int, Any] = (200, {"result": {"content": [{"type": "text", "text": "done"}], "isError": False}})


def test_an_agent_executes_what_its_model_calls_and_tells_it() -> None:
    gateway = Gateway(answer(called("run_job", '{"job": "backup"}')), RESULT, answer({"content": "Done."}))
    told = Told(gateway)
    agent = ScriptedAgent(told.stage, "agk_1")
    agent.intent, agent.execution = "token", "plan_only"
    assert agent.work("Go on.", ("run_job", {"job": "backup"}), "Done.") == [Outcome(True, "done")]
    model, tool, again = gateway.asked
    assert (model.url.path, tool.url.path) == ("/v1/chat/completions", "/mcp/cloud")
    assert b'"role":"tool"' in again.content
    for request in gateway.asked:
        assert request.headers["authorization"] == "Bearer agk_1"
        assert (request.headers["x-intent-token"], request.headers["x-gateway-execution"]) == ("token", "plan_only")


DENIED = {"content": "The call to the tool a was refused by rule p/a: no"}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (answer(DENIED, leuko={"denied": [{"rule": "p/a"}]}), "refused: p/a"),
        (answer({"content": "Plan (not executed):\n1. a {}"}), "refused: plan_only"),
        ((403, {"error": {"message": "no", "code": "agent_quarantined"}}), "refused: agent_quarantined"),
        ((502, {"error": {"message": "no", "code": None}}), "refused: 502"),
    ],
)
def test_a_model_that_may_not_call_ends_the_work(said: tuple[int, Any], word: str) -> None:
    outcomes = ScriptedAgent(Told(Gateway(said)).stage, "agk_1").work("Go on.", ("a", {}))
    assert [(outcome.done, outcome.word) for outcome in outcomes] == [(False, word)]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (RESULT, "executed"),
        ((403, {"error": {"code": -32000, "message": "no", "data": {"reason": "bad"}}}), "refused: bad"),
        ((401, {"error": {"code": -32000, "message": "no"}}), "refused: 401"),
    ],
)
def test_what_a_tool_server_says_is_told_in_a_word(said: tuple[int, Any], word: str) -> None:
    assert ScriptedAgent(Told(Gateway(said)).stage, "agk_1").call("a", {}).word == word


@pytest.mark.parametrize("rule", ["intent", "ops/tools/a/intent"])
def test_what_an_intent_refuses_is_told_by_its_reason(rule: str) -> None:
    outcome = Outcome(False, f"The call to the tool a was refused by rule {rule}: step_order: not yet", rule=rule)
    assert outcome.word == "refused: step_order"
