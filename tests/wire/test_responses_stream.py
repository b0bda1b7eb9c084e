"""Streams of the Responses API that providers send seldom, or only to get a call past the judge."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import Refusal
from gateway.model.verdict import allow_all
from gateway.wire.dialect import PLAIN, Signal, UnreadableFrame
from gateway.wire.responses import RESPONSES
from tests.support.transcripts import MARK, Run, deny_all, events, load, stream

ADDED, DONE = "response.output_item.added", "response.output_item.done"
DIFFERS = "the stream tells it in ways that differ"


def created(**members: Any) -> dict[str, Any]:
    return {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "output": [], **members}}


def item(arguments: str = '{"a":"zq"}', **members: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_zq1",
        "call_id": "call_zq1",
        "name": "run",
        "arguments": arguments,
        **members,
    }


def added(call: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": ADDED, "output_index": index, "item": call}


def done(call: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": DONE, "output_index": index, "item": call}


def piece(text: str, name: str = "function_call_arguments.delta", index: int = 0, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{name}", "item_id": "fc_zq1", "output_index": index, "delta": text, **members}


def end(text: str, name: str = "function_call_arguments.done", **members: Any) -> dict[str, Any]:
    member = "input" if "input" in name else "diff" if "diff" in name else "arguments"
    return {"type": f"response.{name}", "item_id": "fc_zq1", "output_index": 0, member: text, **members}


def completed(*output: Any, kind: str = "completed", **members: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "status": kind, "output": list(output), **members}
    return {"type": f"response.{kind}", "sequence_number": 9, "response": response}


def run(*documents: dict[str, Any], judge: Any = allow_all) -> Run:
    return Run(RESPONSES, judge, (stream(*documents),))


def problem(*documents: dict[str, Any]) -> str | None:
    """What is wrong with the only call of a stream."""
    data = stream(created(), *documents)
    reader = Run(RESPONSES, allow_all, (data,)).reader
    (call,) = reader.calls(0)
    assert MARK not in Run(RESPONSES, deny_all, (data,)).out
    return call.problem


# -- a call is told in several ways, all of which must agree ---------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        [added(item("")), piece('{"a":"zq"}'), end('{"a":"zq"}'), done(item()), completed(item())],
        [added(item("")), piece('{"a":'), piece('"zq"}'), completed()],
        [added(item()), completed(item())],
        [added(item()), done(item()), completed(None)],
        [added(item("")), end('{"a":"zq"}', name="function_call_arguments.done"), completed()],
        [done(item()), completed(item(status="completed"))],
        [done(item()), completed(item(id="fc_zq_other"))],
        [piece('"zq"}'), done(item()), completed(item())],  # resumed in the middle
        [completed(item())],
        [piece('"zq"}'), completed(item())],
        [added(item("", id=None, call_id=None)), piece('{"a":"zq"}'), completed(item(id=None, call_id=None))],
        [created(output=[item()]), completed(item())],
    ],
)  # fmt: skip
def test_tellings_that_agree_are_one_call(told: list[dict[str, Any]]) -> None:
    assert problem(*told) is None
    (call,) = run(created(), *told).judged[0]
    assert (call.name, call.parsed) == ("run", {"a": "zq"})


@pytest.mark.parametrize(
    "told",
    [
        [added(item("")), piece('{"a":"zq"}'), done(item('{"a":"zq2"}')), completed()],
        [added(item("")), piece('{"a":"zq"}'), end('{"a":"zq2"}'), completed()],
        [added(item('{"a":"zq"}')), piece('{"a":"zq"}'), done(item()), completed()],
        [added(item('{"a":"zq2"}')), done(item()), completed()],
        [piece('{"b'), done(item()), completed()],
        [piece('{"a":"zq"}', "custom_tool_call_input.delta"), done(item()), completed()],
        [done(item()), completed(item('{"a":"zq2"}'))],
        [done(item()), completed(item(name="walk"))],
        [added(item("", call_id="call_zq2")), done(item()), completed()],
        [added(item("")), {**end('{"a":"zq"}'), "name": "walk"}, done(item()), completed()],
        [done(item(namespace="a")), completed(item(namespace="b"))],
        [done({**item(), "type": "custom_tool_call", "input": "zq"}), completed(item())],
    ],
)
def test_tellings_that_differ_are_a_problem(told: list[dict[str, Any]]) -> None:
    assert problem(*told) == DIFFERS


def test_pieces_without_an_item_are_a_call_without_a_name() -> None:
    assert problem(piece('{"a":"zq"}'), completed()) == "it has no name"
    assert problem(piece("zq", "custom_tool_call_input.delta"), completed()) == "it has no name"
    assert problem(end("zq", "custom_tool_call_input.done"), completed()) == "it has no name"
    assert problem({"type": "response.teleport_call.zq", "output_index": 0}, completed()) == "it has no name"
    assert problem({"type": "response.teleport_call.zq"}, completed()) == "it has no name"


def test_a_name_is_taken_from_the_end_of_the_pieces() -> None:
    told = run(created(), piece("{}"), {**end("{}"), "name": "run"}, completed())
    assert [(call.name, call.problem) for call in told.judged[0]] == [("run", None)]


def shell(*commands: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "shell_call",
        "id": "sh_zq",
        "call_id": "call_zq",
        "action": {"commands": list(commands)},
        **members,
    }


@pytest.mark.parametrize(
    ("call", "told", "expected"),
    [
        (shell("zq"), [piece("zq", "shell_call_command.delta", command_index=0)], None),
        (shell("zq"), [piece("zq", "shell_call_command.delta", command_index=1)], DIFFERS),
        (shell("zq"), [piece("zq2", "shell_call_command.delta", command_index=0)], DIFFERS),
        (shell(action=None), [piece("zq", "shell_call_command.delta", command_index=0)], DIFFERS),
        (
            {"type": "apply_patch_call", "call_id": "zq", "operation": {"diff": "zq"}},
            [piece("zq", "apply_patch_call_operation_diff.delta"), end("zq", "apply_patch_call_operation_diff.done")],
            None,
        ),
        (
            {"type": "apply_patch_call", "call_id": "zq", "operation": "zq"},
            [piece("zq", "apply_patch_call_operation_diff.delta")],
            DIFFERS,
        ),
        (shell("zq", environment={"type": "container_reference"}), [added(shell("zq"))], None),
    ],
)
def test_other_kinds_of_calls_must_agree_too(call: Any, told: list[dict[str, Any]], expected: str | None) -> None:
    assert problem(*told, done(call), completed()) == expected


def test_two_calls_with_one_place_in_the_output_are_two_calls() -> None:
    other = item('{"b":"zq"}', call_id="call_zq2", id="fc_zq2")
    told = run(created(), done(item()), completed(other, item(call_id=None, id=None)))
    assert [call.parsed for call in told.judged[0]] == [{"a": "zq"}, {"b": "zq"}, {"a": "zq"}]


# -- what cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b'{"type":"response.output_text.delta","delta":"x"', b"response.function_call_arguments.delta"[:0]),
        (b'{"type":"response.output_item.done","item":{"type":"function_call"}', b""),
        (b'{"type":"response.output_item.done","item":{"type":"function_call"},"n":NaN}', b""),
        (b'{"type":"x","arguments":', b""),
        (b'{"type":"x","tool":', b""),
        (b'["response.output_item.done",{"type":"function_call"}]', b""),
        (b'{"type":"response.output_text.delta","delta":"\\ud800"}', b""),
        (b'{"type":"response.function_call_arguments.delta","delta":"x","type":"response.output_text.delta"}', b""),
        (b'{"type":"a","t\\u0079pe":"response.output_text.delta","delta":"x"}', b""),
        (b'{"type":"response.output_text.delta","delta":"x"}', b"response.output_item.done"),
        (b'{"type":"response.output_item.done","item":null}', b"response.output_text.delta"),
        (b'{"type":"response.output_item.done","item":4,"output_index":0}', b""),
        (b'{"type":"response.output_item.done","item":{},"output_index":0}', b""),
        (b'{"type":"response.output_item.done","item":{"type":"function_call"}}', b""),
        (b'{"type":"response.output_item.done","item":{"type":"function_call"},"output_index":true}', b""),
        (b'{"type":"response.completed"}', b""),
        (b'{"type":"response.function_call_arguments.delta","output_index":0}', b""),
        (b'{"type":"response.shell_call_command.delta","delta":"x","output_index":0,"command_index":"0"}', b""),
        (b'{"item":{"name":"run"}}', b""),
        (b'{"type":4,"response":{}}', b""),
        (b'{"delta":"x"}', b"response.function_call_arguments.delta"),
    ],
)  # fmt: skip
def test_what_may_be_a_call_and_cannot_be_read_ends_the_stream(data: bytes, event: bytes) -> None:
    if b"delta" in data and data.endswith(b'"x"'):
        assert RESPONSES.reader().read(data, event) == PLAIN  # broken, but nobody can find a call in it
        return
    with pytest.raises(UnreadableFrame):
        RESPONSES.reader().read(data, event)


@pytest.mark.parametrize(
    "told",
    [
        [added(item()), added(item())],
        [done(item()), done({"type": "message", "id": "zq"}), completed()],
        [piece("zq", "shell_call_command.delta"), added({"type": "message", "id": "zq"}), completed()],
        [added({"type": "message", "id": "msg_1"}), piece("zq")],
        [added({"type": "message", "id": "msg_1"}), piece("zq", "custom_tool_call_input.delta")],
    ],
)
def test_a_stream_that_contradicts_itself_ends(told: list[dict[str, Any]]) -> None:
    ended = run(created(), *told)
    assert ended.failure is not None
    assert ended.failure.code == "upstream_invalid"
    assert MARK not in ended.out


@pytest.mark.parametrize(
    "data",
    [
        b"[DONE]",
        b"",
        b"4",
        b'{"hello":1}',
        b'{"type":"response.new_thing","n":1}',
        b'{"type":"response.output_item.added","output_index":0,"item":null}',
        b'{"type":"response.output_text.delta","delta":4}',
        b'{"type":["response.output_text.delta"]}',
        b'{"type":"response.audio.delta","delta":"QUJD"}',
        b'{"type":"response.output_text.delta","delta":"","sequence_number":"7"}',
    ],
)
def test_what_cannot_be_a_call_passes(data: bytes) -> None:
    reader = RESPONSES.reader()
    assert reader.read(data, b"") == PLAIN
    assert reader.answer.text_chars == 0
    assert reader.calls(0) == []


@pytest.mark.parametrize("data", [b'{"error":{"message":"no"}}', b'{"type":"error","message":"no"}'])
def test_an_error_without_a_call_is_an_error(data: bytes) -> None:
    assert RESPONSES.reader().read(data, b"") == ((0, Signal.ERROR),)


# -- what is read ------------------------------------------------------------------------------------------------------


def test_text_is_counted_and_usage_is_read() -> None:
    answer = Run(RESPONSES, allow_all, (load("responses-reasoning-and-call"),)).answer
    assert answer.id == "resp_68f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6"
    assert (answer.model, answer.finish_reason) == ("gpt-5.5-2026-05-01", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (120, 40)
    assert (answer.usage.cached_tokens, answer.usage.reasoning_tokens) == (64, 16)
    assert answer.text_chars == len('The user wants a listing.{"command":"ls zqzq"}One more thought.')


def test_escaped_text_is_counted_as_it_is_read() -> None:
    reader = RESPONSES.reader()
    assert reader.read(b'{"type":"response.output_text.delta","delta":"gr\\u00fcn"}', b"") == PLAIN
    assert reader.answer.text_chars == 4


@pytest.mark.parametrize(
    ("name", "hosted"),
    [
        ("responses-web-search", ["web_search_call"]),
        ("responses-mcp-call", ["mcp_list_tools", "ask_question"]),
        ("responses-hosted-shell", ["shell_call"]),
        ("responses-tool-search-server", ["tool_search_call"]),
    ],
)
def test_hosted_calls_are_recorded_once_and_pass(name: str, hosted: list[str]) -> None:
    told = Run(RESPONSES, deny_all, (load(name),))
    assert [call.name for call in told.answer.hosted] == hosted
    assert told.out == load(name)


def test_a_hosted_call_told_only_at_the_end_is_recorded() -> None:
    told = run(created(), completed({"type": "web_search_call", "id": "ws_1"}, None, 4))
    assert [call.name for call in told.answer.hosted] == ["web_search_call"]


# -- what is said instead ----------------------------------------------------------------------------------------------


def test_frames_that_stay_are_numbered_anew_without_gaps() -> None:
    for name in ("responses-parallel-calls-then-text", "responses-reasoning-and-call", "responses-text-then-call"):
        left = events(Run(RESPONSES, deny_all, (load(name),)).out)
        assert [event["sequence_number"] for event in left] == list(range(len(left)))
        indexes = [event["output_index"] for event in left if event["type"] == ADDED]
        assert indexes == list(range(len(left[-1]["response"]["output"])))  # type: ignore[index]


def test_frames_of_other_kinds_stay_in_place() -> None:
    data = (
        stream(created(), added({"type": "message", "id": "msg_1"}), done(item(), 1))
        + b"event: x\ndata: [1]\n\n"
        + stream({"type": "response.output_text.delta", "output_index": 0, "delta": "x"}, created(output=[item()]))
        + b": comment\n\ndata: {}\n\n"
        + stream(completed(item()))
    )
    left = Run(RESPONSES, deny_all, (data,)).out
    assert MARK not in left
    assert left.index(b"data: [1]") < left.index(b'"delta":"x"') < left.index(b": comment") < left.index(b"data: {}")
    assert b'"output_index":0,"delta":"x","sequence_number":1}' in left


def test_a_snapshot_without_output_stays_without() -> None:
    data = stream(created(), done(item()), {"type": "response.in_progress", "response": {}}, completed(output=None))
    left = events(Run(RESPONSES, deny_all, (data,)).out)
    assert left[1]["response"] == {}
    assert left[-1]["response"]["output"] is None  # type: ignore[index]


def test_a_failure_with_calls_stays_a_failure_without_them() -> None:
    left = events(Run(RESPONSES, deny_all, (load("responses-failed-with-call"),)).out)
    response: Any = left[-1]["response"]
    assert (response["status"], response["output"]) == ("failed", [])
    assert response["error"]["message"] == "The model failed."


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("policy_denied", "invalid_prompt"),
        ("budget_exceeded", "invalid_prompt"),
        ("upstream_invalid", "server_error"),
        ("upstream_timeout", "server_error"),
        ("gateway_draining", "server_error"),
    ],
)
def test_a_refusal_in_the_stream_is_repeated_by_clients_only_where_that_may_help(code: str, said: str) -> None:
    reader = RESPONSES.reader()
    reader.read(orjson.dumps(created(model="gpt-5.5", created_at=7)), b"response.created")
    (event,) = events(reader.error_frame(Refusal(code, "no")))
    assert event["sequence_number"] == 1
    response: Any = event["response"]
    assert (response["id"], response["model"], response["created_at"]) == ("resp_1", "gpt-5.5", 7)
    assert response["error"] == {"code": said, "message": f"{code}: no"}
    assert response["tools"] == []


def test_nothing_is_stripped() -> None:
    assert RESPONSES.reader().strip(b"data: {}\n\n") == b"data: {}\n\n"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_provider_sends_no_denied_call_leaves(data: st.DataObject) -> None:
    """Frames of real streams, shuffled, dropped and repeated: either the stream fails or the calls are withheld."""
    names = ["call", "custom-call", "parallel-calls-then-text", "shell-call", "call-only-at-the-end"]
    pool = [event for name in names for event in events(load(f"responses-{name}"))]
    chosen = data.draw(st.lists(st.sampled_from(pool), max_size=14))
    assert MARK not in run(*chosen, judge=deny_all).out
