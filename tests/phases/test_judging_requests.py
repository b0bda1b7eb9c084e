"""What policies say of requests, on the whole path."""

from typing import Any

import pytest

from gateway.policy.verdict import RequestVerdict, Verdict
from tests.support.judging import TOOL, Made, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer


@pytest.mark.parametrize("wish", ["execute_safe", None])
async def test_a_caller_cannot_loosen_what_a_policy_plans(wish: str | None) -> None:
    made = Made(request=RequestVerdict(execution="plan_only"))
    async with judged_path(made) as world:
        said = await world.ask(headers={} if wish is None else {"x-gateway-execution": wish})
    assert "Plan (not executed)" in said.text


async def test_a_wish_for_something_else_is_refused() -> None:
    async with judged_path(engine()) as world:
        said = await world.ask(headers={"x-gateway-execution": "sudo"})
    assert (said.status_code, said.json()["error"]["code"]) == (400, "invalid_request")
    assert "'sudo'" in said.json()["error"]["message"]


async def test_a_request_that_a_policy_forbids_is_never_sent() -> None:
    denied = Verdict(False, "ops/models/deny/0", "the model is not allowed", policy="ops@1")
    made = Made(request=RequestVerdict(denied, code="model_not_allowed"))
    async with ScriptedUpstream(json_answer({})) as upstream, judged_path(made, upstream=upstream.url) as world:
        said = await world.ask(model="gpt-4o")
    assert (said.status_code, said.json()["error"]["code"]) == (403, "model_not_allowed")
    assert "ops/models/deny/0" in said.json()["error"]["message"]
    assert upstream.requests == []
    (entry,) = world.entries.all
    assert (entry.action, entry.resource, entry.rule, entry.allowed) == (
        "call:model",
        "gpt-4o",
        "ops/models/deny/0",
        False,
    )


async def test_a_request_that_a_shadow_document_forbids_is_sent_and_recorded() -> None:
    made = Made(request=RequestVerdict(shadowed=(("ops/sizes", "too large"),)))
    async with judged_path(made) as world:
        said = await world.ask()
    assert said.status_code == 200
    entry = world.entries.all[0]
    assert (entry.action, entry.allowed, entry.rule) == ("call:model", True, "ops/sizes")


async def test_the_conversation_is_read_only_where_rules_look_at_it() -> None:
    for wanted in (True, False):
        made = Made(needs_transcript=wanted)
        async with judged_path(made) as world:
            await world.ask()
        transcript = made.facts[-1].transcript
        assert (transcript is not None and transcript.said[0].text == "Restart it") is wanted


@pytest.mark.parametrize(("kind", "status"), [("mcp", 403), ("code_interpreter", 403), ("web_search", 200)])
async def test_what_a_provider_would_run_by_itself_cannot_only_be_planned(kind: str, status: int) -> None:
    answer = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    tools = [{"type": kind, "server_label": "files", "server_url": "https://files.example"}]
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(engine(), upstream=upstream.url) as world,
    ):
        headers = {"authorization": "Bearer sk-1", "x-gateway-execution": "plan_only"}
        ask = {"model": "m", "input": "x", "tools": tools}
        said = await world.path.client.post("/v1/responses", json=ask, headers=headers)
    assert said.status_code == status
    assert (kind in said.text) is (status == 403)


async def test_what_was_offered_in_a_conversation_that_the_provider_keeps_is_not_known() -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": TOOL, "arguments": "{}"}
    answer = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    made = Made()
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(made, upstream=upstream.url) as world,
    ):
        for more in ({}, {"previous_response_id": "resp_0"}):
            ask = {"model": "m", "input": "x", **more}
            await world.path.client.post("/v1/responses", json=ask, headers={"authorization": "Bearer sk-1"})
    assert [facts.tools for facts in made.facts] == [{}, None]


@pytest.mark.parametrize("path", ["/v1/responses/resp_1", "/openai/v1/responses/resp_1"])
async def test_an_answer_that_is_fetched_later_is_only_planned_where_a_policy_says_so(path: str) -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": TOOL, "arguments": "{}"}
    answer = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    planning = engine({"execution": "plan_only"})
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(planning, upstream=upstream.url) as world,
    ):
        said = await world.path.client.get(path, headers={"authorization": "Bearer sk-1"})
    assert "Plan (not executed)" in said.text and "function_call" not in said.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/deployments/gpt-9/chat/completions", 403),
        ("/openai/deployments/%67pt-9/chat/completions", 403),
        ("/v1/engines/gpt-9/chat/completions", 403),
        ("/v1/chat/completions", 200),
    ],
)
async def test_a_model_that_the_path_names_is_judged_too(path: str, status: int) -> None:
    answer = {"id": "c", "object": "chat.completion", "choices": []}
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(engine({"models": {"deny": ["gpt-9*"]}}), upstream=upstream.url) as world,
    ):
        said = await world.path.client.post(path, json={"model": "gpt-4o", "messages": []})
    assert said.status_code == status
    assert status == 200 or said.json()["error"]["code"] == "model_not_allowed"


@pytest.mark.parametrize(
    ("policy", "method", "path", "rule"),
    [
        ({"allow": ["read *"]}, "POST", "/v1/threads/runs", "ops/default"),
        ({"allow": ["read *"]}, "POST", "/v1/messages/batches", "ops/default"),
        ({"allow": ["read *"]}, "POST", "/p/default/v1/Batches", "ops/default"),
        ({"deny": ["relay:realtime"]}, "POST", "/v1/realtime/client_secrets", "ops/deny/0"),
        ({"execution": "plan_only"}, "POST", "/v1/batches", "plan_only"),
        ({"allow": ["relay:batches"]}, "POST", "/v1/batches", None),
        ({"allow": ["read *"]}, "GET", "/v1/threads/t/runs/r", None),
        ({"allow": ["read *"]}, "POST", "/v1/images/generations", None),
        ({"allow": ["read *"], "enforcement": "shadow"}, "POST", "/v1/batches", None),
        ({}, "POST", "/v1/threads/runs", None),
    ],
)
async def test_what_would_run_models_unjudged_needs_permission(
    policy: dict[str, Any], method: str, path: str, rule: str | None
) -> None:
    async with (
        ScriptedUpstream(json_answer({})) as upstream,
        judged_path(engine(policy), upstream=upstream.url) as world,
    ):
        said = await world.path.client.request(method, path, json={"model": "m"})
    assert said.status_code == (403 if rule else 200)
    assert len(upstream.requests) == (0 if rule else 1)
    assert rule is None or rule in said.json()["error"]["message"]


async def test_a_stored_prompt_cannot_only_be_planned() -> None:
    async with judged_path(engine()) as world:
        headers = {"x-gateway-execution": "plan_only"}
        ask = {"model": "stub-tool", "prompt": {"id": "pmpt_1"}}
        said = await world.path.client.post("/v1/responses", json=ask, headers=headers)
    assert said.status_code == 403 and "stored prompt" in said.text
