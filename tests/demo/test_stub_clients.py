"""The official SDKs and common frameworks must make of a stub answer exactly what they make of a provider's."""

import json
import math
from typing import Literal

import pytest

from tests.support import clients
from tests.support.clients import QUESTION, SUNNY, WEATHER_ARGUMENTS, Forecast, Seen

KEY = "sk-stub"
STUBS = ["stub-echo", "stub-tool", "stub-slow", "stub-error-500", "stub-script"]
FORECAST = Forecast(city="example", degrees=1, tags=["example"])

SCRIPT = [
    {"text": "Two at once.", "calls": [{"name": "a", "arguments": {"x": 1}}, {"name": "b", "arguments": '{"broken'}]},
    {"calls": [{"name": "c"}]},
    "That is all.",
]


def assert_said(seen: Seen, finish: str) -> None:
    assert (seen.text, seen.calls, seen.finish) == (QUESTION, (), finish)


def assert_called(seen: Seen, finish: str) -> None:
    assert [call.name for call in seen.calls] == ["get_weather"]
    arguments = seen.calls[0].arguments
    assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == WEATHER_ARGUMENTS
    assert seen.finish == finish


def assert_costs(seen: Seen) -> None:
    assert seen.input_tokens and seen.output_tokens


# -- openai: chat completions


def test_openai_chat_answers_with_text(base_url: str) -> None:
    seen = clients.openai_chat_answers_with_text(base_url, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)
    assert seen.id.startswith("chatcmpl-")


def test_openai_chat_calls_a_tool(base_url: str) -> None:
    assert_called(clients.openai_chat_calls_a_tool(base_url, KEY), "tool_calls")


def test_openai_chat_calls_a_custom_tool_with_text(base_url: str) -> None:
    seen = clients.openai_chat_calls_a_custom_tool(base_url, KEY)
    assert [(call.name, call.arguments) for call in seen.calls] == [("run_code", QUESTION)]


def test_openai_chat_calls_a_legacy_function(base_url: str) -> None:
    assert_called(clients.openai_chat_calls_a_legacy_function(base_url, KEY), "function_call")


@pytest.mark.parametrize("include_usage", [True, False])
def test_openai_chat_streams_text(base_url: str, include_usage: bool) -> None:
    seen = clients.openai_chat_streams_text(base_url, KEY, include_usage=include_usage)
    assert_said(seen, "stop")
    assert len([piece for piece in seen.pieces if piece]) > 3
    whole = clients.openai_chat_answers_with_text(base_url, KEY)
    tokens = (whole.input_tokens, whole.output_tokens) if include_usage else (None, None)
    assert (seen.input_tokens, seen.output_tokens) == tokens


def test_openai_chat_streams_a_tool_call(base_url: str) -> None:
    seen = clients.openai_chat_streams_a_tool_call(base_url, KEY)
    assert_called(seen, "tool_calls")
    assert_costs(seen)
    assert "".join(seen.pieces) == seen.calls[0].arguments
    assert len([piece for piece in seen.pieces if piece]) > 1


def test_openai_chat_streams_two_choices(base_url: str) -> None:
    first, second = clients.openai_chat_streams_two_choices(base_url, KEY)
    assert_called(first, "tool_calls")
    assert_called(second, "tool_calls")
    assert first.calls[0].id != second.calls[0].id


def test_openai_chat_loops_through_a_tool(base_url: str) -> None:
    seen = clients.openai_chat_loops_through_a_tool(base_url, KEY)
    assert (seen.text, seen.calls, seen.finish) == (f"The tool answered: {SUNNY}", (), "stop")


def test_openai_chat_parses_json(base_url: str) -> None:
    assert clients.openai_chat_parses_json(base_url, KEY) == FORECAST


def test_openai_chat_follows_a_script(base_url: str) -> None:
    seen = clients.openai_chat_follows_a_script(base_url, KEY, SCRIPT)
    assert [[(call.name, call.arguments) for call in turn.calls] for turn in seen] == [
        [("a", '{"x":1}'), ("b", '{"broken')],
        [("c", "{}")],
        [],
    ]
    assert [turn.text for turn in seen] == ["Two at once.", "", "That is all."]


async def test_openai_async_chat_streams_a_tool_call(base_url: str) -> None:
    assert_called(await clients.openai_async_chat_streams_a_tool_call(base_url, KEY), "tool_calls")


async def test_openai_async_chat_leaves_a_slow_stream(base_url: str) -> None:
    assert await clients.openai_async_chat_leaves_a_slow_stream(base_url, KEY) == 3


# -- openai: the other routes


def test_openai_completion_answers(base_url: str) -> None:
    seen = clients.openai_completion_answers(base_url, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)


def test_openai_completion_streams(base_url: str) -> None:
    seen = clients.openai_completion_streams(base_url, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)


def test_openai_embeddings_are_unit_vectors(base_url: str) -> None:
    first, second = clients.openai_embeddings(base_url, KEY)
    assert len(first) == len(second) == 64
    assert math.isclose(math.hypot(*first), 1, rel_tol=1e-5)
    assert first != second
    assert clients.openai_embeddings(base_url, KEY) == [first, second]


def test_openai_models(base_url: str) -> None:
    assert clients.openai_models(base_url, KEY) == STUBS


@pytest.mark.parametrize("stream", [False, True])
def test_openai_sees_errors(base_url: str, stream: bool) -> None:
    failed = clients.openai_sees_an_error(base_url, KEY, "stub-error-500", stream=stream)
    assert (failed.status_code, failed.type, failed.code) == (500, "server_error", "stub_error")
    unknown = clients.openai_sees_an_error(base_url, KEY, "gpt-99", stream=stream)
    assert (unknown.status_code, unknown.type, unknown.code) == (404, "invalid_request_error", "model_not_found")
    assert unknown.request_id


# -- openai: responses


def test_openai_responses_answers_with_text(base_url: str) -> None:
    seen = clients.openai_responses_answers_with_text(base_url, KEY)
    assert_said(seen, "completed")
    assert_costs(seen)


def test_openai_responses_calls_a_custom_tool_with_text(base_url: str) -> None:
    seen = clients.openai_responses_calls_a_custom_tool(base_url, KEY)
    assert [(call.name, call.arguments) for call in seen.calls] == [("run_code", QUESTION)]


def test_openai_responses_streams_text(base_url: str) -> None:
    seen = clients.openai_responses_streams_text(base_url, KEY)
    assert_said(seen, "completed")
    assert "".join(seen.pieces) == QUESTION


def test_openai_responses_streams_a_tool_call(base_url: str) -> None:
    seen = clients.openai_responses_streams_a_tool_call(base_url, KEY)
    assert_called(seen, "completed")
    assert "".join(seen.pieces) == seen.calls[0].arguments


def test_openai_responses_events_are_numbered_and_in_order(base_url: str) -> None:
    events = clients.openai_responses_event_names(base_url, KEY)
    assert [number for number, _ in events] == list(range(len(events)))
    names = list(dict.fromkeys(name.removeprefix("response.") for _, name in events))
    assert names == [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_openai_responses_continue_by_id(base_url: str) -> None:
    seen = clients.openai_responses_continue_by_id(base_url, KEY, SCRIPT)
    assert [[call.name for call in turn.calls] for turn in seen] == [["a", "b"], ["c"], []]
    assert seen[-1].text == "That is all."


def test_openai_responses_parses_json(base_url: str) -> None:
    assert clients.openai_responses_parses_json(base_url, KEY) == FORECAST


async def test_openai_async_responses_streams_a_tool_call(base_url: str) -> None:
    assert_called(await clients.openai_async_responses_streams_a_tool_call(base_url, KEY), "completed")


# -- anthropic


def test_anthropic_answers_with_text(base_url: str) -> None:
    seen = clients.anthropic_answers_with_text(base_url, KEY)
    assert_said(seen, "end_turn")
    assert_costs(seen)
    assert seen.id.startswith("msg_")


def test_anthropic_calls_a_tool(base_url: str) -> None:
    assert_called(clients.anthropic_calls_a_tool(base_url, KEY), "tool_use")


def test_anthropic_streams_text(base_url: str) -> None:
    seen = clients.anthropic_streams_text(base_url, KEY)
    assert_said(seen, "end_turn")
    whole = clients.anthropic_answers_with_text(base_url, KEY)
    assert (seen.input_tokens, seen.output_tokens) == (whole.input_tokens, whole.output_tokens)
    assert "".join(seen.pieces) == QUESTION


def test_anthropic_streams_a_tool_call(base_url: str) -> None:
    seen = clients.anthropic_streams_a_tool_call(base_url, KEY)
    assert_called(seen, "tool_use")
    assert json.loads("".join(seen.pieces)) == WEATHER_ARGUMENTS


def test_anthropic_loops_through_a_tool(base_url: str) -> None:
    seen = clients.anthropic_loops_through_a_tool(base_url, KEY)
    assert (seen.text, seen.finish) == (f"The tool answered: {SUNNY}", "end_turn")


def test_anthropic_counts_the_tokens_that_an_answer_then_says(base_url: str) -> None:
    counted = clients.anthropic_counts_tokens(base_url, KEY)
    assert counted == clients.anthropic_answers_with_text(base_url, KEY).input_tokens


def test_anthropic_models(base_url: str) -> None:
    assert clients.anthropic_models(base_url, KEY) == STUBS


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_tool_runner_continues_its_thread(base_url: str, stream: bool) -> None:
    ran, messages = clients.anthropic_tool_runner(base_url, KEY, stream=stream)
    assert ran == [{"city": "example", "days": 1}]
    assert [message.finish for message in messages] == ["tool_use", "end_turn"]
    assert messages[-1].text == f"The tool answered: {SUNNY}"


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_sees_errors(base_url: str, stream: bool) -> None:
    failed = clients.anthropic_sees_an_error(base_url, KEY, "stub-error-500", stream=stream)
    assert (failed.status_code, failed.type) == (500, "api_error")
    unknown = clients.anthropic_sees_an_error(base_url, KEY, "claude-99", stream=stream)
    assert (unknown.status_code, unknown.type) == (404, "not_found_error")
    assert unknown.request_id


async def test_anthropic_async_streams_a_tool_call(base_url: str) -> None:
    assert_called(await clients.anthropic_async_streams_a_tool_call(base_url, KEY), "tool_use")


# -- frameworks


def test_langchain_streams_text(base_url: str) -> None:
    from tests.support import frameworks

    assert frameworks.langchain_streams_text(base_url, KEY) == QUESTION


@pytest.mark.parametrize("stream", [False, True])
def test_langchain_loops_through_a_tool(base_url: str, stream: bool) -> None:
    from tests.support import frameworks

    calls, answer = frameworks.langchain_loops_through_a_tool(base_url, KEY, stream=stream)
    assert calls == [("get_weather", WEATHER_ARGUMENTS)]
    assert answer == f"The tool answered: {SUNNY}"


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_openai_agents_loop_through_a_tool(
    base_url: str, api: Literal["chat", "responses"], stream: bool
) -> None:
    from tests.support import frameworks

    cities, output = await frameworks.openai_agents_loop_through_a_tool(base_url, KEY, api, stream=stream)
    assert cities == ["example"]
    assert output == f"The tool answered: {SUNNY}"
