"""Requests and whole answers of chat completions, and what the official client makes of refused ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import openai
import orjson
import pytest

from gateway.model.answer import Usage
from gateway.model.ask import ToolResult
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.verdict import Denial, Withhold
from gateway.wire.chat_completions import CHAT_COMPLETIONS
from tests.support.chat_streams import DONE, Run, call, chunk, deny, usage_chunk

RULING = Withhold("Refused.", (Denial("get", "rule-1", "no"),))


def test_a_request_is_read() -> None:
    document = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "tool_choice": "auto",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "function", "name": "old", "content": None},
            {},
        ],
        "tools": [
            {"type": "function", "function": {"name": "get", "parameters": {}}},
            {"type": "custom", "custom": {"name": "run"}},
            {"type": "web_search"},
            {"function": {"name": "untyped"}},
        ],
        "functions": [{"name": "old"}],
    }
    ask = CHAT_COMPLETIONS.read_request(document)
    assert (ask.document, ask.model, ask.stream, ask.wants_usage) == (document, "m", True, True)
    assert ask.max_output_tokens == 7
    assert [(tool.name, tool.kind) for tool in ask.tools] == [
        ("get", "function"),
        ("run", "custom"),
        ("web_search", "web_search"),
        ("untyped", "function"),
        ("old", "function"),
    ]
    assert ask.tools[0].definition is document["tools"][0]  # type: ignore[index]
    assert ask.results == (ToolResult("call_1", "sunny"), ToolResult("old", None))


def test_an_empty_request_asks_for_nothing() -> None:
    ask = CHAT_COMPLETIONS.read_request({})
    assert (ask.model, ask.stream, ask.tools, ask.results, ask.wants_usage) == (None, False, (), (), False)


def test_the_newer_limit_goes_before_the_older() -> None:
    assert CHAT_COMPLETIONS.read_request({"max_tokens": 9, "max_completion_tokens": 5}).max_output_tokens == 5


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"model": 1}, "model"),
        ({"model": None}, "model"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"n": "100"}, "n"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{}, "hi"]}, "messages[1]"),
        ({"messages": [{"role": 1}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "tool_call_id": 1}]}, "messages[0].tool_call_id"),
        ({"tools": {}}, "tools"),
        ({"tools": [None]}, "tools[0]"),
        ({"tools": [{"type": 1}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": "get"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ["get"]}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        ({"functions": [{}]}, "functions[0].name"),
    ],
)
def test_a_governed_member_of_the_wrong_type_is_named(document: dict[str, Any], param: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        CHAT_COMPLETIONS.read_request(document)
    assert caught.value.param == param


def whole_answer() -> dict[str, Any]:
    tool_call = {"id": "zq", "type": "function", "function": {"name": "get", "arguments": '{"x":"zq"}'}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"},
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "tool_calls": [tool_call]},
                "finish_reason": "tool_calls",
            },
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }


def test_a_whole_answer_is_read() -> None:
    answer = CHAT_COMPLETIONS.read_answer(whole_answer())
    assert (answer.id, answer.model, answer.finish_reason) == ("chatcmpl-1", "m", "tool_calls")
    assert answer.usage == Usage(3, 4)
    assert answer.text_chars == 4 + len('{"x":"zq"}')
    assert {turn: [call.name for call in calls] for turn, calls in answer.calls.items()} == {1: ["get"]}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": None},
        {"choices": ["x", {}]},
        {"choices": [{"message": "x", "finish_reason": 1}]},
        {"choices": [{"message": {"content": 1}}], "usage": []},
    ],
)
def test_an_odd_answer_is_read_as_far_as_it_goes(document: dict[str, Any]) -> None:
    answer = CHAT_COMPLETIONS.read_answer(document)
    assert (answer.calls, answer.text_chars, answer.usage, answer.finish_reason) == ({}, 0, None, None)


def test_choices_without_an_index_are_told_apart_by_their_place() -> None:
    document = whole_answer()
    for choice in document["choices"]:
        del choice["index"]
    document["choices"].insert(0, None)
    assert list(CHAT_COMPLETIONS.read_answer(document).calls) == [1]
    refused = CHAT_COMPLETIONS.withhold(document, {1: RULING})
    assert refused["choices"][:2] == document["choices"][:2]
    assert refused["choices"][2]["message"]["content"] == "Refused."


def test_a_refused_choice_of_a_whole_answer_leaves_the_others_alone() -> None:
    document = whole_answer()
    refused = CHAT_COMPLETIONS.withhold(document, {1: RULING})
    assert b"zq" not in orjson.dumps(refused)
    assert document == whole_answer()
    assert refused["choices"][0] == document["choices"][0]
    assert refused["choices"][1]["finish_reason"] == "stop"
    assert {key: refused[key] for key in refused if key != "choices"} == {
        key: document[key] for key in document if key != "choices"
    }


def test_a_refusal_has_openais_form() -> None:
    assert orjson.loads(CHAT_COMPLETIONS.error_body(Refusal("policy_denied", "no")))["error"]["code"] == "policy_denied"


@contextmanager
def serving(body: bytes, content_type: str) -> Iterator[openai.OpenAI]:
    """The official client, talking to a server that answers everything with this body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1"
            with openai.OpenAI(base_url=url, api_key="sk-test", max_retries=0, timeout=20) as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


def run_of(*choices: int) -> Run:
    frames = [chunk({"role": "assistant", "content": "Hm."}, index) for index in choices]
    for index in choices:
        frames += [*call(index), *call(index, position=1), chunk({}, index, "tool_calls")]
    return Run(deny(0), [*frames, usage_chunk(), DONE])


def test_the_official_client_accumulates_a_refused_stream() -> None:
    with serving(run_of(0, 1).out, "text/event-stream") as client:
        request: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        with client.chat.completions.stream(**request) as stream:
            final = stream.get_final_completion()
    refused, allowed = final.choices
    assert refused.finish_reason == "stop"
    assert refused.message.role == "assistant"
    assert refused.message.content is not None
    assert refused.message.content.startswith("Hm.\n\nThe call to the tool get_weather was refused")
    assert not refused.message.tool_calls
    assert allowed.finish_reason == "tool_calls"
    assert [one.function.arguments for one in allowed.message.tool_calls or ()] == ['{"city":"zq1 Paris"}'] * 2
    assert final.usage is not None
    assert final.usage.total_tokens == 14


def test_the_official_client_reads_a_refused_whole_answer() -> None:
    body = orjson.dumps(CHAT_COMPLETIONS.withhold(whole_answer(), {1: RULING}))
    with serving(body, "application/json") as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[1].message.content == "Refused."
    assert answer.choices[1].message.tool_calls is None


def test_the_official_client_raises_on_the_error_frame() -> None:
    reader = CHAT_COMPLETIONS.reader()
    body = chunk({"content": "a"}) + reader.error_frame(Refusal("upstream_timeout", "The provider is silent."))
    with serving(body, "text/event-stream") as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
        with pytest.raises(openai.APIError, match="The provider is silent") as caught:
            list(stream)
    assert caught.value.code == "upstream_timeout"
