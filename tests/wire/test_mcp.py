"""What the gateway itself answers in MCP."""

import json
import pickle
from typing import Any

import orjson
import pytest

from gateway.model.errors import Refusal
from gateway.model.verdict import Denial
from gateway.wire.mcp import (
    HEADER_MISMATCH,
    Era,
    MCPRefusal,
    denied_result,
    error_body,
    error_event,
    error_of,
    planned_result,
    without_output_schemas,
)


def test_a_refusal_answers_the_request_and_says_its_code() -> None:
    body = orjson.loads(error_body(Refusal("agent_quarantined", "No."), "r1"))
    assert body == {
        "jsonrpc": "2.0",
        "id": "r1",
        "error": {"code": -32010, "message": "No.", "data": {"code": "agent_quarantined", "type": "permission_error"}},
    }


def test_a_refusal_of_what_could_not_be_read_answers_nobody_in_particular() -> None:
    body = orjson.loads(error_body(Refusal("duplicate_key", "Twice.", param="params.name")))
    assert body["id"] is None and body["error"]["code"] == -32700
    assert body["error"]["data"]["param"] == "params.name"


def test_a_refusal_that_waits_for_a_person_names_the_approval() -> None:
    error = error_of(Refusal("approval_required", "Wait.", approval_id="apr_1"), 1)["error"]
    assert error["data"]["approval_id"] == "apr_1"


def test_mcp_refusals_have_codes_and_data_of_their_own() -> None:
    refusal = MCPRefusal(HEADER_MISMATCH, "No.", headers=((b"allow", b"GET"),), reason="expired")
    error = error_of(refusal, 1)["error"]
    assert error["code"] == HEADER_MISMATCH and error["data"]["reason"] == "expired"
    assert error["data"]["code"] == "invalid_request"
    assert refusal.status == 400 and refusal.headers == ((b"allow", b"GET"),)
    again = pickle.loads(pickle.dumps(refusal))
    assert (again.rpc, again.message) == (refusal.rpc, refusal.message)


def test_every_request_that_waits_is_answered_in_a_stream_that_is_cut() -> None:
    events = error_event(Refusal("agent_quarantined", "No."), [1, "two"]).split(b"\n\n")
    assert [orjson.loads(event.partition(b"data: ")[2])["id"] for event in events[:-1]] == [1, "two"]
    assert events[-1] == b"" and error_event(Refusal("agent_quarantined", "No."), []) == b""


def test_a_denied_call_is_a_failed_tool() -> None:
    denial = Denial("delete_file", "ops/deny/0", "No.", "dec_1_2")
    result = denied_result(7, Era.HANDSHAKE, "Refused.", [denial])["result"]
    assert result["isError"] is True and result["content"] == [{"type": "text", "text": "Refused."}]
    assert result["_meta"] == {
        "io.leuko/denied": [{"tool": "delete_file", "rule": "ops/deny/0", "decision_id": "dec_1_2"}]
    }
    assert "resultType" not in result


def test_a_planned_call_has_not_failed() -> None:
    answer = planned_result("p", Era.STATELESS, "Plan (not executed):")
    assert answer["id"] == "p" and answer["result"]["isError"] is False
    assert answer["result"]["_meta"] == {"io.leuko/dry_run": True}
    assert answer["result"]["resultType"] == "complete"


def test_an_id_of_any_length_is_answered() -> None:
    id = 123456789012345678901234567890
    assert json.loads(error_body(Refusal("agent_quarantined", "No."), id))["id"] == id
    assert str(id).encode() in error_event(Refusal("agent_quarantined", "No."), [id])


def test_schemas_of_results_are_taken_out_of_a_list() -> None:
    tools = [{"name": "a", "outputSchema": {}, "title": "A"}, {"name": "b"}, 5]
    listed = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "n"}}
    changed = without_output_schemas(listed)
    assert changed is not None
    assert changed["result"] == {"tools": [{"name": "a", "title": "A"}, {"name": "b"}, 5], "nextCursor": "n"}
    assert listed["result"]["tools"] == tools


@pytest.mark.parametrize(
    "message", [{"method": "x"}, {"result": 5}, {"result": {}}, {"result": {"tools": 5}}, {"result": {"tools": [{}]}}]
)
def test_other_messages_stay_as_they_are(message: dict[str, Any]) -> None:
    assert without_output_schemas(message) is None
