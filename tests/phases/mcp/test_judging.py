"""Every call to a tool is judged by itself, before its server hears of it."""

import asyncio
from typing import Any

from gateway.model.ask import OfferedTool
from gateway.policy.verdict import Count
from tests.support.judging import Remembering
from tests.support.mcp_path import NEW, call, mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, json_answer

DENY = {"deny": ["delete file"]}
SUMMED = {"tools": {"pay": {"arguments": {"amount": {"sum_max": {"value": 10, "per": "day"}}}}}}
ANSWERED = json_answer(result())


def run(steps: Any, *documents: Any, answer: bytes = ANSWERED, **options: Any) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(answer) as upstream, mcp_path(upstream.url, *documents, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


def test_an_allowed_call_is_sent_byte_for_byte() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        sent = b'{ "jsonrpc":"2.0", "id":1,\n "method":"tools/call","params":{"name":"read_file","arguments":{}} }'
        assert (await world.post(sent)).json() == result()
        assert upstream.requests[0].body == sent

    run(steps, DENY)


def test_a_denied_call_is_a_failed_tool_with_the_reason() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("delete_file", 7, path="/x"))
        assert answer.status_code == 200 and answer.headers["x-gateway-denied"] == "1"
        assert answer.json()["id"] == 7 and answer.json()["result"]["isError"] is True
        assert "ops/deny/0" in answer.json()["result"]["content"][0]["text"]
        assert answer.json()["result"]["_meta"]["io.leuko/denied"][0]["decision_id"].startswith("dec_")
        assert upstream.requests == []
        seen = await world.settled()
        assert (seen.vitals.tool_calls, seen.vitals.denied_calls, seen.vitals.tool_names) == (1, 1, ("delete_file",))
        decision = next(entry for entry in world.entries.all if entry.kind == "decision")
        assert (decision.tool, decision.allowed) == ("delete_file", False)

    run(steps, DENY)


def test_the_server_counts_in_what_is_judged() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("send"))).json()["result"].get("isError") is True
        assert (await world.post(call("send"), to="/mcp/default")).json() == result()

    run(steps, {"deny": [{"action": "send", "server": "files"}]})


def test_an_error_is_told_as_an_error_where_the_policy_says_so() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("delete_file", path="/b"))
        assert answer.status_code == 200
        error = answer.json()["error"]
        assert error["data"]["code"] == "tool_call_denied" and answer.json()["id"] == 1
        assert (await world.settled()).vitals.denied_calls == 1

    run(steps, {"tools": {"delete_file": {"arguments": {"path": {"enum": ["/a"]}}, "on_deny": "error"}}})


def test_a_plan_is_no_failure_and_nothing_is_executed() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = (await world.post(call("read_file", path="/x"), x_gateway_execution="plan_only")).json()["result"]
        assert answer["isError"] is False and answer["_meta"]["io.leuko/dry_run"] is True
        assert answer["content"][0]["text"] == 'Plan (not executed):\n1. read_file {"path":"/x"}'
        denied = (await world.post(call("delete_file"), x_gateway_execution="plan_only")).json()["result"]
        assert denied["isError"] is True
        assert upstream.requests == []

    run(steps, DENY)


def test_a_policy_may_let_nothing_be_more_than_a_plan() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": NEW}
        message = request("tools/call", name="read_file", _meta=meta)
        headers = {"mcp_protocol_version": NEW, "mcp_method": "tools/call", "mcp_name": "read_file"}
        answer = (await world.post(message, **headers)).json()["result"]
        assert answer["_meta"]["io.leuko/dry_run"] is True and answer["resultType"] == "complete"
        assert upstream.requests == []

    run(steps, {"execution": "plan_only"})


def test_a_wish_that_is_none_is_refused() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("read_file"), x_gateway_execution="maybe")).status_code == 400

    run(steps)


def test_what_calls_no_tool_is_not_judged() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(request("tools/list"))).json() == result()

    run(steps, {"allow": ["nothing"]})


def test_calls_of_a_batch_are_judged_one_by_one() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        batch = [call("read_file", 1), call("delete_file", 2), request("notifications/x", None), call("x", "2")]
        answers = (await world.post(batch)).json()
        assert {one["id"]: "isError" in one["result"] for one in answers} == {1: False, 2: True, "2": False}
        assert [one.get("id") for one in upstream.requests[0].json()] == [1, None, "2"]
        vitals = (await world.settled()).vitals
        assert (vitals.tool_calls, vitals.denied_calls) == (3, 1)

    run(steps, DENY, answer=json_answer([result(1), result("2")]))


def test_a_batch_of_denied_calls_goes_nowhere() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answers = (await world.post([call("delete_file", 1), call("delete_file", 2)])).json()
        assert [one["id"] for one in answers] == [1, 2] and upstream.requests == []

    run(steps, DENY)


def test_counts_that_are_full_refuse_the_call() -> None:
    full = Count("k", 5.0, 10.0, "day", "ops/tools/pay/sum_max", "more than 10 a day")

    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("pay", amount=5))).json()["result"].get("isError") is True

    run(steps, SUMMED, memories=Remembering(full))


def test_without_state_no_call_that_needs_it_passes() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("pay", amount=5))
        assert answer.status_code == 503
        assert answer.json()["error"]["data"]["code"] == "state_unavailable" and answer.json()["id"] == 1
        assert upstream.requests == []

    run(steps, SUMMED, memories=Remembering(gone=True))


def test_a_call_that_a_person_has_to_approve_waits_in_vain_where_nobody_can() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("pay", amount=5))
        assert answer.status_code == 200 and answer.json()["id"] == 1
        assert answer.json()["error"]["data"]["code"] == "approval_required"
        assert upstream.requests == []

    run(steps, {"tools": {"pay": {"approval": "always"}}})


def test_who_gets_no_more_than_plans_is_told_of_no_results() -> None:
    listed = {"tools": [{"name": "add", "outputSchema": {"type": "object"}}]}

    async def steps(world: Any, upstream: Any) -> None:
        planned = await world.post(request("tools/list"), x_gateway_execution="plan_only")
        assert planned.json()["result"] == {"tools": [{"name": "add"}]}
        assert (await world.post(request("tools/list"))).json()["result"] == listed

    run(steps, DENY, answer=json_answer(result(1, **listed)))


def test_headers_repeat_arguments_truly_where_the_tool_is_known() -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    tools = {"add": OfferedTool("add", "function", {"parameters": schema})}

    def known(exchange: Any) -> None:
        exchange.mcp.tools = tools

    async def steps(world: Any, upstream: Any) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": NEW}
        message = request("tools/call", name="add", arguments={"region": "eu"}, _meta=meta)
        headers = {"mcp_protocol_version": NEW, "mcp_method": "tools/call", "mcp_name": "add"}
        assert (await world.post(message, **headers, mcp_param_region="eu")).status_code == 200
        wrong = await world.post(message, **headers, mcp_param_region="us")
        assert wrong.status_code == 400 and wrong.json()["error"]["code"] == -32020
        other = request("tools/call", name="other", arguments={}, _meta=meta)
        assert (await world.post(other, **{**headers, "mcp_name": "other"}, mcp_param_region="us")).status_code == 200
        assert (await world.post(call("add", region="eu"), mcp_param_region="us")).status_code == 200

    run(steps, gates=(known,))
