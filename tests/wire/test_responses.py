"""Requests and whole answers of the Responses API."""

from typing import Any

import orjson
import pytest

from gateway.model.errors import UnreadableRequest
from gateway.model.verdict import Denial, Withhold
from gateway.wire.responses import RESPONSES

REFUSED = Withhold("refused by rule no-shell", (Denial("run", "no-shell", "no", "dec_1"),))


def call(**members: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "run", "arguments": "{}", **members}


def message(text: str = "hello") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def response(*output: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(output), **members}


def test_a_request_is_read() -> None:
    ask = RESPONSES.read_request(
        {
            "model": "gpt-5.5",
            "input": "hi",
            "stream": True,
            "max_output_tokens": 50,
            "previous_response_id": "resp_0",
            "tools": [{"type": "function", "name": "run", "parameters": {}}, {"type": "web_search"}],
        }
    )
    assert (ask.model, ask.stream, ask.max_output_tokens, ask.previous) == ("gpt-5.5", True, 50, "resp_0")
    assert [(tool.name, tool.kind, tool.namespace) for tool in ask.tools] == [
        ("run", "function", None),
        ("web_search", "web_search", None),
    ]
    assert ask.results == ()


def test_an_empty_request_is_left_to_the_provider() -> None:
    ask = RESPONSES.read_request({})
    assert (ask.model, ask.stream, ask.tools, ask.previous) == (None, False, (), None)


def test_a_hosted_server_is_offered_under_its_label_with_its_address() -> None:
    server = {"type": "mcp", "server_label": "wiki", "server_url": "https://wiki.example/mcp"}
    (tool,) = RESPONSES.read_request({"tools": [server]}).tools
    assert (tool.name, tool.kind, tool.namespace) == ("mcp", "mcp", "wiki")
    assert tool.definition["server_url"] == "https://wiki.example/mcp"


def test_tools_in_input_items_are_offered_too_and_namespaces_are_taken_apart() -> None:
    functions = {
        "type": "namespace",
        "name": "functions",
        "description": "",
        "tools": [{"type": "custom", "name": "exec"}, {"type": "function", "name": "wait"}],
    }
    document = {
        "input": [
            {"type": "additional_tools", "role": "developer", "tools": [functions]},
            {"type": "mcp_list_tools", "server_label": "wiki", "tools": [{"name": "echo", "input_schema": {}}]},
            {"type": "tool_search_output", "call_id": "call_1", "tools": [{"type": "function", "name": "crm"}]},
            {"role": "user", "content": "hi"},
        ]
    }
    ask = RESPONSES.read_request(document)
    assert [(tool.name, tool.kind, tool.namespace) for tool in ask.tools] == [
        ("exec", "custom", "functions"),
        ("wait", "function", "functions"),
        ("crm", "function", None),
    ]
    (result,) = ask.results
    assert result.call_id == "call_1"


def test_every_kind_of_result_is_read() -> None:
    output = [{"type": "input_text", "text": "ok"}]
    ask = RESPONSES.read_request(
        {
            "input": [
                {"type": "function_call_output", "call_id": "a", "output": "ok"},
                {"type": "custom_tool_call_output", "call_id": "b", "output": output},
                {"type": "local_shell_call_output", "id": "c", "output": "{}"},
                {"type": "shell_call_output", "call_id": "d", "output": [], "status": "incomplete"},
                {"type": "apply_patch_call_output", "call_id": "e", "status": "failed"},
                {"type": "computer_call_output", "call_id": "f", "output": {"type": "computer_screenshot"}},
                {"type": "mcp_approval_response", "approval_request_id": "g", "approve": False},
                {"type": "mcp_approval_response", "approval_request_id": "h", "approve": True},
                {"type": "function_call", "call_id": "a", "name": "run", "arguments": "{}"},
            ]
        }
    )
    assert [(result.call_id, result.is_error) for result in ask.results] == [
        ("a", False),
        ("b", False),
        ("c", False),
        ("d", True),
        ("e", True),
        ("f", False),
        ("g", True),
        ("h", False),
    ]
    assert ask.results[1].content == output


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"model": 4}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"input": 4}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": ["run"]}, "tools[0]"),
        ({"tools": [{"name": "run"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "run"}}]}, "tools[0].name"),
        ({"tools": [{"type": "web_search", "name": 4}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "a", "tools": {}}]}, "tools[0].tools"),
        (
            {"tools": [{"type": "namespace", "name": "a", "tools": [{"type": "namespace", "name": "b"}]}]},
            "tools[0].tools[0].type",
        ),
        ({"input": [{"type": "additional_tools", "tools": [4]}]}, "input[0].tools[0]"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"previous_response_id": 4}, "previous_response_id"),
    ],
)
def test_a_governed_member_of_the_wrong_type_is_named(document: dict[str, Any], param: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        RESPONSES.read_request(document)
    assert caught.value.param == param


def test_a_whole_answer_is_read() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 7,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "abc"}]}
    document = response(reasoning, message("hello"), call(arguments='{"a":1}'), model="gpt-5.5", usage=usage)
    answer = RESPONSES.read_answer(document)
    assert (answer.id, answer.model, answer.finish_reason) == ("resp_1", "gpt-5.5", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_tokens) == (9, 4)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (7, 3)
    assert answer.text_chars == len("abc" + "hello" + '{"a":1}')
    (proposed,) = answer.calls[0]
    assert (proposed.name, proposed.kind, proposed.parsed, proposed.id) == ("run", "function", {"a": 1}, "call_1")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"error": {"message": "no"}},
        {"id": 4, "model": 4, "status": 4, "usage": 4, "output": 4},
        {"output": [4, {"type": 4}, {"type": "message", "content": 4}], "usage": {"input_tokens": True}},
        {"id": "resp_1", "status": "queued", "output": []},
    ],
)
def test_an_answer_of_another_shape_has_no_calls(document: dict[str, Any]) -> None:
    answer = RESPONSES.read_answer(document)
    assert (answer.calls, answer.hosted, answer.text_chars) == ({}, [], 0)


@pytest.mark.parametrize(
    ("item", "name", "kind", "parsed"),
    [
        (call(arguments=""), "run", "function", {}),
        (call(namespace="functions"), "run", "function", {}),
        ({"type": "custom_tool_call", "name": "exec", "input": "text("}, "exec", "custom", "text("),
        ({"type": "mcp_approval_request", "name": "rm", "arguments": "{}"}, "rm", "mcp_approval_request", {}),
        ({"type": "computer_call", "action": {"type": "wait"}}, "computer_call", "computer_call", ...),
        ({"type": "local_shell_call", "action": {"command": ["ls"]}}, "local_shell_call", "local_shell_call", ...),
        ({"type": "shell_call", "action": {"commands": ["ls"]}}, "shell_call", "shell_call", ...),
        ({"type": "shell_call", "environment": {"type": "local"}}, "shell_call", "shell_call", ...),
        ({"type": "apply_patch_call", "operation": {}}, "apply_patch_call", "apply_patch_call", ...),
        ({"type": "tool_search_call", "execution": "client"}, "tool_search_call", "tool_search_call", ...),
        ({"type": "teleport_call", "name": "beam", "arguments": "{}"}, "beam", "teleport_call", ...),
        ({"type": "teleport_call", "target": "moon"}, "teleport_call", "teleport_call", ...),
    ],
)
def test_what_the_client_would_execute_is_a_call(item: dict[str, Any], name: str, kind: str, parsed: Any) -> None:
    (proposed,) = RESPONSES.read_answer(response(item)).calls[0]
    assert (proposed.name, proposed.kind, proposed.problem) == (name, kind, None)
    assert proposed.parsed == (item if parsed is ... else parsed)
    assert proposed.namespace == item.get("namespace")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call"},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "code": "1"},
        {"type": "image_generation_call"},
        {"type": "mcp_list_tools", "server_label": "wiki"},
        {"type": "program", "code": "1"},
        {"type": "tool_search_call", "execution": "server"},
        {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "c"}},
        {"type": "mcp_call", "name": "echo", "arguments": "{}", "server_label": "wiki"},
    ],
)
def test_what_the_provider_has_executed_is_recorded(item: dict[str, Any]) -> None:
    answer = RESPONSES.read_answer(response(item))
    (hosted,) = answer.hosted
    assert (hosted.name, hosted.kind) == (item.get("name", item["type"]), item["type"])
    assert hosted.namespace == item.get("server_label")
    assert answer.calls == {}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (call(name=None), "it has no name"),
        (call(name=""), "it has no name"),
        (call(arguments=None), "its arguments are not text"),
        (call(arguments={"a": 1}), "its arguments are not text"),
        (call(arguments='{"a":1'), "its arguments are not valid JSON"),
        (call(arguments='{"a":1,"a":2}'), "its arguments name a key twice"),
        (call(arguments="[]"), "its arguments are not a JSON object"),
        ({"type": "custom_tool_call", "name": "exec", "input": 4}, "its input is not text"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(item: dict[str, Any], problem: str) -> None:
    (proposed,) = RESPONSES.read_answer(response(item)).calls[0]
    assert proposed.problem == problem


def test_a_refused_answer_keeps_everything_but_its_calls() -> None:
    hosted = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    document = response(message(), call(), hosted, call(call_id="call_2"), usage={"input_tokens": 1}, x=1)
    before = orjson.dumps(document)
    refused = RESPONSES.withhold(document, {0: REFUSED})
    assert orjson.dumps(document) == before
    assert refused["output"][:2] == [message(), hosted]
    (said,) = refused["output"][2]["content"]
    assert (said["type"], said["text"]) == ("output_text", "refused by rule no-shell")
    assert (refused["status"], refused["incomplete_details"], refused["x"]) == ("completed", None, 1)
    assert refused["usage"] == {"input_tokens": 1}
    assert refused["leuko"] == {"denied": [{"tool": "run", "rule": "no-shell", "decision_id": "dec_1"}]}


def test_an_answer_that_did_not_end_well_keeps_its_ending() -> None:
    details = {"reason": "max_output_tokens"}
    document = response(call(), status="incomplete", incomplete_details=details)
    refused = RESPONSES.withhold(document, {0: REFUSED})
    assert (refused["status"], refused["incomplete_details"]) == ("incomplete", details)
    assert [item["type"] for item in refused["output"]] == ["message"]
    failed = RESPONSES.withhold(response(call(), status="failed"), {0: REFUSED})
    assert (failed["status"], failed["output"]) == ("failed", [])


def test_an_answer_without_output_gets_none() -> None:
    assert "output" not in RESPONSES.withhold({"id": "resp_1", "status": "completed"}, {0: REFUSED})


def test_without_a_ruling_nothing_changes() -> None:
    document = response(call())
    assert RESPONSES.withhold(document, {}) == document


def test_the_message_has_an_id_that_the_provider_takes_back() -> None:
    long = response(call(), id="resp_" + "0" * 80)
    odd = response(call(), id="a/ß b")
    for document in (long, odd, {"output": [call()]}):
        identity = RESPONSES.withhold(document, {0: REFUSED})["output"][0]["id"]
        assert identity.startswith("msg_")
        assert len(identity) <= 64
        assert identity.replace("_", "").isascii()
        assert identity.replace("_", "").isalnum()


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_not_finished_has_no_reason_to_finish(status: str) -> None:
    assert RESPONSES.read_answer(response(status=status)).finish_reason is None
