"""What policies say of the calls in an answer, on the whole path."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.model.exchange import Exchange
from gateway.model.verdict import allow_all
from gateway.phases.releasing import Proposed
from gateway.policy.clauses import OnDeny
from gateway.policy.verdict import Count, Verdict
from tests.support.judging import CHAT, SERVICE, TOOL, Made, Remembering, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer

DENIED = {"deny": ["restart:service"]}
ALLOWED = {"allow": ["restart:service"]}
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def leaks(text: str) -> bool:
    return SERVICE in text


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


@streamed
async def test_a_call_that_would_be_refused_is_refused_though_it_is_only_planned(stream: bool) -> None:
    held = Verdict(False, "ops/deny/0", "no", on_deny=OnDeny("hold", 5))
    async with judged_path(Made({TOOL: held})) as world:
        said = await world.ask(stream=stream, headers={"x-gateway-execution": "plan_only"})
    assert "refused by rule ops/deny/0" in said.text
    assert not leaks(said.text)


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


class Granting:
    """Grants and call tokens that a test can look at."""

    def __init__(self) -> None:
        self.minted: list[str] = []

    async def mint(self, agent_id: str, digests: Sequence[str]) -> None:
        self.minted += digests

    async def save(self, agent_id: str, calls: Sequence[Any]) -> None:
        self.minted += [call.call_id for call in calls]


@streamed
@pytest.mark.parametrize("broken", ["append", "durable", ""])
async def test_what_cannot_be_recorded_is_not_granted(broken: str, stream: bool) -> None:
    grants: Any = Granting()

    def grant(judging: Any) -> None:
        judging._proposed = Proposed(grants, grants, grants)

    async with judged_path(engine({"tools": {TOOL: {"grant": "required"}}}), strict=True, change=grant) as world:
        world.entries.broken.add(broken)
        said = await world.ask(stream=stream)
    assert ("audit_unavailable" in said.text) is bool(broken)
    assert bool(grants.minted) is not bool(broken)


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


async def test_calls_of_an_answer_that_anybody_may_fetch_again_are_not_granted() -> None:
    grants: Any = Granting()

    def grant(judging: Any) -> None:
        judging._proposed = Proposed(grants, grants, grants)

    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": TOOL, "arguments": "{}"}
    answer = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    rules = engine({"tools": {TOOL: {"grant": "required"}}})
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        judged_path(rules, upstream=upstream.url, change=grant) as world,
    ):
        said = await world.path.client.get("/v1/responses/resp_1", headers={"authorization": "Bearer sk-1"})
    assert TOOL in said.text and "refused" not in said.text
    assert grants.minted == []


async def test_a_call_that_needs_a_person_is_refused_where_there_is_none_to_ask() -> None:
    async with judged_path(Made({TOOL: Verdict(True, "ops/tools/x/approval", "", approval=True)})) as world:
        said = await world.path.client.post(CHAT, json={"model": "stub-tool", "messages": [], "tools": []})
        asked = await world.ask()
    assert said.status_code == 200
    assert (asked.status_code, asked.json()["error"]["code"]) == (403, "approval_required")


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
