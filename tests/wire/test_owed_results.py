"""Results that a provider waits for are added before what the request says, and no other byte changes."""

from typing import Any

import orjson
import pytest

from gateway.wire import DIALECTS
from gateway.wire.owed_results import OwedResult, add_results

ONE = OwedResult("call_1", "function", "refused")


def added(dialect: str, body: bytes, *owed: OwedResult) -> bytes:
    return add_results(body, DIALECTS[dialect].read_request(orjson.loads(body)), dialect, owed)


def test_a_list_of_input_items_is_added_to_and_its_bytes_stay() -> None:
    items = b'[ {"role": "user", "content": "\\u0047o", "n": 1.50} ]'
    body = b'{"model":"m", "input" : %b}' % items
    after = added("responses", body, ONE)
    item = b'{"type":"function_call_output","call_id":"call_1","output":"refused"}'
    assert after == body.replace(b"[ {", b"[" + item + b", {")


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"input":"Go on"}', [{"role": "user", "content": "Go on"}]), (b'{"input":[]}', []), (b"{}", [])],
)
def test_any_other_input_becomes_a_list(body: bytes, said: list[Any]) -> None:
    first, *rest = orjson.loads(added("responses", body, ONE))["input"]
    assert first == {"type": "function_call_output", "call_id": "call_1", "output": "refused"}
    assert rest == said


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("custom", {"type": "custom_tool_call_output", "call_id": "call_1", "output": "no"}),
        ("local_shell_call", {"type": "local_shell_call_output", "call_id": "call_1", "output": "no"}),
        (
            "shell_call",
            {
                "type": "shell_call_output",
                "call_id": "call_1",
                "output": [{"stdout": "", "stderr": "no", "outcome": {"type": "exit", "exit_code": 1}}],
            },
        ),
        (
            "apply_patch_call",
            {"type": "apply_patch_call_output", "call_id": "call_1", "status": "failed", "output": "no"},
        ),
        (
            "mcp_approval_request",
            {"type": "mcp_approval_response", "approval_request_id": "call_1", "approve": False},
        ),
        (
            "tool_search_call",
            {"type": "tool_search_output", "call_id": "call_1", "execution": "client", "tools": []},
        ),
    ],
)
def test_each_kind_of_call_has_its_own_form_of_result(kind: str, expected: Any) -> None:
    body = b'{"input":[]}'
    assert orjson.loads(added("responses", body, OwedResult("call_1", kind, "no")))["input"] == [expected]


def test_what_cannot_be_answered_in_words_is_left_out() -> None:
    body = b'{"input":[]}'
    assert added("responses", body, OwedResult("call_1", "computer_call", "no")) is body


def test_a_thread_gets_a_message_of_results() -> None:
    body = b'{"messages":[{"role":"user","content":"Go on"}], "max_tokens": 5}'
    told = orjson.loads(added("messages", body, ONE, OwedResult("call_2", "function", "refused")))["messages"]
    results = [
        {"type": "tool_result", "tool_use_id": f"call_{n}", "content": "refused", "is_error": True} for n in (1, 2)
    ]
    assert told == [{"role": "user", "content": results}, {"role": "user", "content": "Go on"}]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("responses", b'{"input":[{"type":"function_call_output","call_id":"call_1","output":"x"}]}'),
        (
            "messages",
            b'{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"x"}]}]}',
        ),
    ],
)
def test_a_result_that_the_request_reports_itself_is_not_added(dialect: str, body: bytes) -> None:
    assert added(dialect, body, ONE) is body
