"""What policies say of calls, on the whole path."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.model.exchange import Exchange
from gateway.model.verdict import allow_all
from gateway.policy.clauses import OnDeny
from gateway.policy.question import Facts, Memory, Question
from gateway.policy.verdict import Count, RequestVerdict, Verdict
from gateway.store.errors import StoreUnavailable
from tests.support.judging import CHAT, SERVICE, TOOL, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer

DENIED = {"deny": ["restart:service"]}
ALLOWED = {"allow": ["restart:service"]}
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def leaks(text: str) -> bool:
    return SERVICE in text


@dataclass
class Made:
    """An engine and its rules in one, whose answers a test makes up."""

    calls: dict[str, Verdict] = field(default_factory=dict)
    request: RequestVerdict = RequestVerdict()
    idle: bool = False
    idle_requests: bool = False
    needs_transcript: bool = False
    needs_memory: bool = False
    memory_keys: tuple[Count, ...] = ()
    facts: list[Facts] = field(default_factory=list)

    def of(self, agent: Agent) -> "Made":
        return self

    def judge_call(self, question: Question, facts: Facts) -> Verdict:
        self.facts.append(facts)
        return self.calls.get(question.tool, Verdict(True, ""))

    def judge_request(self, ask: Ask, size: int, facts: Facts) -> RequestVerdict:
        return self.request


class Remembering:
    """Memories that a test makes up."""

    def __init__(self, full: Count | None = None, *, gone: bool = False) -> None:
        self.full, self.gone = full, gone
        self.loaded: list[tuple[str, str, tuple[Count, ...]]] = []
        self.counted: list[Sequence[Count]] = []

    async def load(
        self, agent_id: str, conversation: str, keys: Sequence[Count], *, session: str | None = None
    ) -> Memory:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.loaded.append((agent_id, conversation, tuple(keys)))
        return self

    async def count(self, agent_id: str, conversation: str, counts: Sequence[Count]) -> Count | None:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.counted.append(counts)
        return self.full

    def last(self, key: str) -> float | None:
        return None

    def spent(self, key: str) -> float:
        return 0

    def tainted(self, value: str) -> bool:
        return False


@streamed
async def test_a_denied_call_is_told_as_text_with_rule_and_decision(stream: bool) -> None:
    async with judged_path(engine(DENIED)) as world:
        said = await world.ask(stream=stream)
        seen = await world.path.sightings.settled()
    assert said.status_code == 200
    assert not leaks(said.text)
    assert "refused by rule ops/deny/0" in said.text
    assert '"decision_id":"dec_chain_0"' in said.text
    if not stream:
        assert said.headers["x-gateway-denied"] == "1"
    (entry,) = world.entries.all
    assert (entry.kind, entry.action, entry.tool, entry.allowed) == ("decision", "restart:service", TOOL, False)
    assert (entry.rule, entry.policy, entry.request_id) == ("ops/deny/0", "ops@1", said.headers["x-gateway-request-id"])
    assert entry.args_hash is not None and SERVICE not in repr(entry)
    assert seen.vitals.denied_calls == 1
    assert world.judging.decisions.calls == {"allow": 0, "deny": 1, "plan": 0, "shadow": 0}


@streamed
async def test_an_allowed_call_leaves_and_is_recorded_first(stream: bool) -> None:
    async with judged_path(engine(ALLOWED)) as world:
        said = await world.ask(stream=stream)
        seen = await world.path.sightings.settled()
    assert TOOL in said.text
    assert [(entry.allowed, entry.rule) for entry in world.entries.all] == [(True, "ops/allow/0")]
    assert seen.vitals.denied_calls == 0


async def test_where_no_rule_is_about_an_agent_nothing_is_made() -> None:
    judges, judgements = [], []

    async with judged_path(engine({"match": {"agents": ["somebody-else"]}, **DENIED})) as world:
        of = world.judging.of

        def looked(exchange: Exchange) -> Any:
            judges.append(of(exchange))
            judgements.append(exchange.judgement)
            return judges[-1]

        world.path.pipeline.inspect._judge_of = looked
        said = await world.ask()
    assert leaks(said.text)
    assert judges == [allow_all]
    assert judgements == [None]
    assert world.entries.all == []


@streamed
async def test_an_error_is_a_refusal_of_the_answer(stream: bool) -> None:
    policy = {"tools": {TOOL: {"action": "restart:service", "on_deny": "error"}}, **DENIED}
    async with judged_path(engine(policy)) as world:
        said = await world.ask(stream=stream)
        seen = await world.path.sightings.settled()
    assert said.status_code == (200 if stream else 403)
    assert "tool_call_denied" in said.text and "ops/deny/0" in said.text
    assert not leaks(said.text)
    if not stream:
        assert (said.headers["x-gateway-denied"], said.headers["x-should-retry"]) == ("1", "false")
    assert (seen.vitals.denied_calls, seen.vitals.error_type) == (1, "tool_call_denied")


@streamed
async def test_a_shadow_document_blocks_nothing_and_says_what_it_would(stream: bool) -> None:
    verdict = Verdict(True, "", action="restart:service", shadowed=(("ops/deny/0", "no"),))
    async with judged_path(Made({TOOL: verdict})) as world:
        said = await world.ask(stream=stream)
    assert TOOL in said.text
    (entry,) = world.entries.all
    assert (entry.allowed, entry.metadata) == (True, {"shadow": [{"rule": "ops/deny/0", "reason": "no"}]})
    assert world.judging.decisions.calls["shadow"] == 1


@streamed
async def test_what_is_only_planned_is_told_and_not_done(stream: bool) -> None:
    async with judged_path(engine()) as world:
        said = await world.ask(stream=stream, headers={"x-gateway-execution": "plan_only"})
        seen = await world.path.sightings.settled()
    text = json.loads(said.text)["choices"][0]["message"]["content"] if not stream else said.text.replace("\\", "")
    assert f'Plan (not executed):{chr(10) if not stream else "n"}1. {TOOL} {{"service":"{SERVICE}"}}' in text
    assert '"tool_calls":[' not in said.text
    assert "x-gateway-denied" not in said.headers
    assert [(entry.allowed, entry.metadata) for entry in world.entries.all] == [
        (True, {"execution": "plan_only", "withheld": True})
    ]
    assert seen.vitals.denied_calls == 0
    assert world.judging.decisions.calls["plan"] == 1


@pytest.mark.parametrize("wish", ["execute_safe", None])
async def test_a_caller_cannot_loosen_what_a_policy_plans(wish: str | None) -> None:
    made = Made(request=RequestVerdict(execution="plan_only"))
    async with judged_path(made) as world:
        said = await world.ask(headers={} if wish is None else {"x-gateway-execution": wish})
    assert "Plan (not executed)" in said.text


@streamed
async def test_a_call_that_would_be_refused_is_refused_though_it_is_only_planned(stream: bool) -> None:
    held = Verdict(False, "ops/deny/0", "no", on_deny=OnDeny("hold", 5))
    async with judged_path(Made({TOOL: held})) as world:
        said = await world.ask(stream=stream, headers={"x-gateway-execution": "plan_only"})
    assert "refused by rule ops/deny/0" in said.text
    assert not leaks(said.text)


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


async def test_a_mode_is_read_at_each_decision() -> None:
    policy = {"modes": {"NORMAL": {"allow": ["list:*"]}, "EMERGENCY": {"allow": ["restart:service"]}}}
    async with judged_path(engine(policy)) as world:
        refused = await world.ask()
        world.modes["ops"] = "EMERGENCY"
        allowed = await world.ask()
    assert "refused" in refused.text
    assert leaks(allowed.text)
    assert [entry.mode for entry in world.entries.all] == ["NORMAL", "EMERGENCY"]


@streamed
@pytest.mark.parametrize("broken", ["append", "durable"])
async def test_what_cannot_be_recorded_does_not_leave(broken: str, stream: bool) -> None:
    async with judged_path(engine(ALLOWED), strict=True) as world:
        world.entries.broken.add(broken)
        said = await world.ask(stream=stream)
    assert said.status_code == (200 if stream else 503)
    assert "audit_unavailable" in said.text
    assert not leaks(said.text)


async def test_strictly_recorded_calls_wait_until_the_record_is_safe() -> None:
    async with judged_path(engine(ALLOWED), strict=True) as world:
        assert leaks((await world.ask()).text)
    assert world.entries.safe == ["chain/0"]


@pytest.mark.parametrize("judged", [True, False])
async def test_calls_are_kept_for_other_policies_to_be_tried_on(judged: bool) -> None:
    async with judged_path(engine(*([ALLOWED] if judged else [])), keep=True) as world:
        await world.ask(headers={"x-agent-session": "s1"})
    (noted,) = world.noted
    assert (noted.question.tool, noted.question.arguments) == (TOOL, {"service": SERVICE})
    assert noted.tools is not None and TOOL in noted.tools
    assert noted.verdict is not None and noted.verdict.allowed


@streamed
async def test_memory_is_read_before_a_judge_that_needs_it(stream: bool) -> None:
    key = Count("k")
    made, memories = Made(needs_memory=True, memory_keys=(key,)), Remembering()
    async with judged_path(made, memories=memories) as world:
        said = await world.ask(stream=stream, headers={"x-agent-session": "s1"})
    assert TOOL in said.text
    assert memories.loaded == [(said.headers["x-gateway-agent-id"], "s1", (key,))]
    assert made.facts[-1].memory is memories


@streamed
async def test_what_a_call_uses_is_counted_before_it_leaves(stream: bool) -> None:
    one, other = Count("a", 5.0, 10.0), Count("b", 1.0)
    made, memories = Made({TOOL: Verdict(True, "r", counts=(one, other))}), Remembering()
    async with judged_path(made, memories=memories) as world:
        said = await world.ask(stream=stream)
    assert TOOL in said.text
    assert memories.counted == [[one, other]]


@streamed
async def test_a_count_without_room_refuses_the_call(stream: bool) -> None:
    count = Count("a", 5.0, 10.0, rule="ops/tools/x/amount/sum_max", reason="more than 10 a day")
    made = Made({TOOL: Verdict(True, "r", action="restart:service", counts=(count,))})
    async with judged_path(made, memories=Remembering(count)) as world:
        said = await world.ask(stream=stream)
    assert "ops/tools/x/amount/sum_max: more than 10 a day" in said.text
    assert not leaks(said.text)
    assert [(entry.allowed, entry.rule) for entry in world.entries.all] == [(False, "ops/tools/x/amount/sum_max")]


@streamed
@pytest.mark.parametrize("lost", ["memory", "count", "no count"])
async def test_without_the_shared_memory_such_calls_do_not_leave(lost: str, stream: bool) -> None:
    verdict = Verdict(True, "r", counts=() if lost == "memory" else (Count("a", 1.0, 2.0),))
    made = Made({TOOL: verdict}, needs_memory=lost == "memory")
    memories = None if lost == "no count" else Remembering(gone=True)
    async with judged_path(made, memories=memories) as world:
        said = await world.ask(stream=stream)
    assert "state_unavailable" in said.text
    assert not leaks(said.text)


async def test_one_denied_call_withholds_its_turn_and_each_is_recorded() -> None:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(("get_status", TOOL))
    ]
    answer = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    policy = {"allow": ["get:*"], **DENIED}
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(engine(policy), upstream=upstream.url) as world,
    ):
        names = ("get_status", TOOL)
        tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
        said = await world.ask(model="m", tools=tools)
    choice = said.json()["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert [one["tool"] for one in choice["leuko"]["denied"]] == [TOOL]
    assert [(entry.tool, entry.allowed, entry.metadata) for entry in world.entries.all] == [
        ("get_status", True, {"withheld": True}),
        (TOOL, False, {}),
    ]


async def test_the_conversation_is_read_only_where_rules_look_at_it() -> None:
    for wanted in (True, False):
        made = Made(needs_transcript=wanted)
        async with judged_path(made) as world:
            await world.ask()
        transcript = made.facts[-1].transcript
        assert (transcript is not None and transcript.said[0].text == "Restart it") is wanted


async def test_an_answer_that_is_fetched_later_is_judged_too() -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": TOOL, "arguments": "{}"}
    answer = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(engine(DENIED), upstream=upstream.url) as world,
    ):
        said = await world.path.client.get("/v1/responses/resp_1", headers={"authorization": "Bearer sk-1"})
        relayed = await world.path.client.get("/v1/files", headers={"authorization": "Bearer sk-1"})
    assert "refused by rule ops/deny/0" in said.text
    assert relayed.status_code == 200


async def test_a_call_that_needs_a_person_is_refused_where_there_is_none_to_ask() -> None:
    async with judged_path(Made({TOOL: Verdict(True, "ops/tools/x/approval", "", approval=True)})) as world:
        said = await world.path.client.post(CHAT, json={"model": "stub-tool", "messages": [], "tools": []})
        asked = await world.ask()
    assert said.status_code == 200
    assert (asked.status_code, asked.json()["error"]["code"]) == (403, "approval_required")


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


async def test_calls_of_one_turn_count_for_those_after_them() -> None:
    def call(number: int, name: str) -> dict[str, Any]:
        return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": '{"amount": 60}'}}

    def answer(*names: str) -> bytes:
        calls = [call(number, name) for number, name in enumerate(names)]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return json_answer({"id": "x", "object": "chat.completion", "choices": [choice]})

    sequence = [{"after": "read:secrets", "deny": "send:*", "within": "1h"}]
    pay = {"arguments": {"amount": {"sum_max": {"value": 100, "per": "day"}}}}
    on = engine({"default": "allow", "sequence": sequence, "tools": {"pay": pay}})
    turns = (("read_secrets", "send_email"), ("send_email", "read_secrets"), ("pay", "pay"), ("pay",))
    tools = [{"type": "function", "function": {"name": name}} for name in ("read_secrets", "send_email", "pay")]
    async with (
        ScriptedUpstream([answer(*names) for names in turns]) as upstream,
        judged_path(on, upstream=upstream.url, memories=Remembering()) as world,
    ):
        said = [await world.ask(model="gpt-4o", tools=tools) for _ in turns]
    assert ["tool_calls" in one.json()["choices"][0]["message"] for one in said] == [False, True, False, True]


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
