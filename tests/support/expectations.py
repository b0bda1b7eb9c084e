"""What each client library must make of the stub models, whatever stands between: exactly what it makes of a provider.

`EXPECTATIONS` are parameters for pytest; each holds when it is called with a `Server` and returns.
"""

import asyncio
import functools
import inspect
import itertools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from tests.support import clients
from tests.support.clients import QUESTION, SUNNY, WEATHER_ARGUMENTS, Forecast, Seen, Server

KEY = "sk-stub"
STUBS = ["stub-echo", "stub-tool", "stub-slow", "stub-error-500", "stub-script"]
FORECAST = Forecast(city="example", degrees=1, tags=["example"])

SCRIPT = [
    {"text": "Two at once.", "calls": [{"name": "a", "arguments": {"x": 1}}, {"name": "b", "arguments": '{"y":1.50}'}]},
    {"calls": [{"name": "c"}]},
    "That is all.",
]

EXPECTATIONS: list[Any] = []


def expectation(**variants: Sequence[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a function to `EXPECTATIONS`, once for each combination of the arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for values in itertools.product(*variants.values()):
            given = dict(zip(variants, values, strict=True))
            name = " ".join([function.__name__, *(f"{key}={value}" for key, value in given.items())])
            EXPECTATIONS.append(pytest.param(functools.partial(_hold, function, given), id=name))
        return function

    return add


def _hold(function: Callable[..., Any], given: dict[str, Any], server: Server) -> None:
    held = function(server, **given)
    if inspect.iscoroutine(held):
        asyncio.run(held)


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


@expectation()
def openai_chat_answers_with_text(server: Server) -> None:
    seen = clients.openai_chat_answers_with_text(server, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)
    assert seen.id.startswith("chatcmpl-")


@expectation()
def openai_chat_calls_a_tool(server: Server) -> None:
    assert_called(clients.openai_chat_calls_a_tool(server, KEY), "tool_calls")


@expectation()
def openai_chat_calls_a_custom_tool_with_text(server: Server) -> None:
    seen = clients.openai_chat_calls_a_custom_tool(server, KEY)
    assert [(call.name, call.arguments) for call in seen.calls] == [("run_code", QUESTION)]


@expectation()
def openai_chat_calls_a_legacy_function(server: Server) -> None:
    assert_called(clients.openai_chat_calls_a_legacy_function(server, KEY), "function_call")


@expectation(include_usage=[True, False])
def openai_chat_streams_text(server: Server, include_usage: bool) -> None:
    seen = clients.openai_chat_streams_text(server, KEY, include_usage=include_usage)
    assert_said(seen, "stop")
    assert len([piece for piece in seen.pieces if piece]) > 3
    whole = clients.openai_chat_answers_with_text(server, KEY)
    tokens = (whole.input_tokens, whole.output_tokens) if include_usage else (None, None)
    assert (seen.input_tokens, seen.output_tokens) == tokens


@expectation()
def openai_chat_streams_a_tool_call(server: Server) -> None:
    seen = clients.openai_chat_streams_a_tool_call(server, KEY)
    assert_called(seen, "tool_calls")
    assert_costs(seen)
    assert "".join(seen.pieces) == seen.calls[0].arguments
    assert len([piece for piece in seen.pieces if piece]) > 1


@expectation()
def openai_chat_streams_two_choices(server: Server) -> None:
    first, second = clients.openai_chat_streams_two_choices(server, KEY)
    assert_called(first, "tool_calls")
    assert_called(second, "tool_calls")
    assert first.calls[0].id != second.calls[0].id


@expectation()
def openai_chat_loops_through_a_tool(server: Server) -> None:
    seen = clients.openai_chat_loops_through_a_tool(server, KEY)
    assert (seen.text, seen.calls, seen.finish) == (f"The tool answered: {SUNNY}", (), "stop")


@expectation()
def openai_chat_parses_json(server: Server) -> None:
    assert clients.openai_chat_parses_json(server, KEY) == FORECAST


@expectation()
def openai_chat_follows_a_script(server: Server) -> None:
    seen = clients.openai_chat_follows_a_script(server, KEY, SCRIPT)
    assert [[(call.name, call.arguments) for call in turn.calls] for turn in seen] == [
        [("a", '{"x":1}'), ("b", '{"y":1.50}')],
        [("c", "{}")],
        [],
    ]
    assert [turn.text for turn in seen] == ["Two at once.", "", "That is all."]


@expectation()
async def openai_async_chat_streams_a_tool_call(server: Server) -> None:
    assert_called(await clients.openai_async_chat_streams_a_tool_call(server, KEY), "tool_calls")


@expectation()
async def openai_async_chat_leaves_a_slow_stream(server: Server) -> None:
    assert await clients.openai_async_chat_leaves_a_slow_stream(server, KEY) == 3


# -- openai: the other routes


@expectation()
def openai_completion_answers(server: Server) -> None:
    seen = clients.openai_completion_answers(server, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)


@expectation()
def openai_completion_streams(server: Server) -> None:
    seen = clients.openai_completion_streams(server, KEY)
    assert_said(seen, "stop")
    assert_costs(seen)


@expectation()
def openai_embeddings_are_unit_vectors(server: Server) -> None:
    first, second = clients.openai_embeddings(server, KEY)
    assert len(first) == len(second) == 64
    assert math.isclose(math.hypot(*first), 1, rel_tol=1e-5)
    assert first != second
    assert clients.openai_embeddings(server, KEY) == [first, second]


@expectation()
def openai_models(server: Server) -> None:
    assert clients.openai_models(server, KEY) == STUBS


@expectation(stream=[False, True])
def openai_sees_errors(server: Server, stream: bool) -> None:
    failed = clients.openai_sees_an_error(server, KEY, "stub-error-500", stream=stream)
    assert (failed.status_code, failed.type, failed.code) == (500, "server_error", "stub_error")
    unknown = clients.openai_sees_an_error(server, KEY, "stub-99", stream=stream)
    assert (unknown.status_code, unknown.type, unknown.code) == (404, "invalid_request_error", "model_not_found")
    assert unknown.request_id


# -- openai: responses


@expectation()
def openai_responses_answers_with_text(server: Server) -> None:
    seen = clients.openai_responses_answers_with_text(server, KEY)
    assert_said(seen, "completed")
    assert_costs(seen)


@expectation()
def openai_responses_calls_a_custom_tool_with_text(server: Server) -> None:
    seen = clients.openai_responses_calls_a_custom_tool(server, KEY)
    assert [(call.name, call.arguments) for call in seen.calls] == [("run_code", QUESTION)]


@expectation()
def openai_responses_streams_text(server: Server) -> None:
    seen = clients.openai_responses_streams_text(server, KEY)
    assert_said(seen, "completed")
    assert "".join(seen.pieces) == QUESTION


@expectation()
def openai_responses_streams_a_tool_call(server: Server) -> None:
    seen = clients.openai_responses_streams_a_tool_call(server, KEY)
    assert_called(seen, "completed")
    assert "".join(seen.pieces) == seen.calls[0].arguments


@expectation()
def openai_responses_events_are_numbered_and_in_order(server: Server) -> None:
    events = clients.openai_responses_event_names(server, KEY)
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


@expectation()
def openai_responses_continue_by_id(server: Server) -> None:
    seen = clients.openai_responses_continue_by_id(server, KEY, SCRIPT)
    assert [[call.name for call in turn.calls] for turn in seen] == [["a", "b"], ["c"], []]
    assert seen[-1].text == "That is all."


@expectation()
def openai_responses_parses_json(server: Server) -> None:
    assert clients.openai_responses_parses_json(server, KEY) == FORECAST


@expectation()
async def openai_async_responses_streams_a_tool_call(server: Server) -> None:
    assert_called(await clients.openai_async_responses_streams_a_tool_call(server, KEY), "completed")


# -- anthropic


@expectation()
def anthropic_answers_with_text(server: Server) -> None:
    seen = clients.anthropic_answers_with_text(server, KEY)
    assert_said(seen, "end_turn")
    assert_costs(seen)
    assert seen.id.startswith("msg_")


@expectation()
def anthropic_calls_a_tool(server: Server) -> None:
    assert_called(clients.anthropic_calls_a_tool(server, KEY), "tool_use")


@expectation()
def anthropic_streams_text(server: Server) -> None:
    seen = clients.anthropic_streams_text(server, KEY)
    assert_said(seen, "end_turn")
    whole = clients.anthropic_answers_with_text(server, KEY)
    assert (seen.input_tokens, seen.output_tokens) == (whole.input_tokens, whole.output_tokens)
    assert "".join(seen.pieces) == QUESTION


@expectation()
def anthropic_streams_a_tool_call(server: Server) -> None:
    seen = clients.anthropic_streams_a_tool_call(server, KEY)
    assert_called(seen, "tool_use")
    assert json.loads("".join(seen.pieces)) == WEATHER_ARGUMENTS


@expectation()
def anthropic_loops_through_a_tool(server: Server) -> None:
    seen = clients.anthropic_loops_through_a_tool(server, KEY)
    assert (seen.text, seen.finish) == (f"The tool answered: {SUNNY}", "end_turn")


@expectation()
def anthropic_counts_the_tokens_that_an_answer_then_says(server: Server) -> None:
    counted = clients.anthropic_counts_tokens(server, KEY)
    assert counted == clients.anthropic_answers_with_text(server, KEY).input_tokens


@expectation()
def anthropic_models(server: Server) -> None:
    assert clients.anthropic_models(server, KEY) == STUBS


@expectation(stream=[False, True])
def anthropic_tool_runner_continues_its_thread(server: Server, stream: bool) -> None:
    ran, messages = clients.anthropic_tool_runner(server, KEY, stream=stream)
    assert ran == [{"city": "example", "days": 1}]
    assert [message.finish for message in messages] == ["tool_use", "end_turn"]
    assert messages[-1].text == f"The tool answered: {SUNNY}"


@expectation(stream=[False, True])
def anthropic_sees_errors(server: Server, stream: bool) -> None:
    failed = clients.anthropic_sees_an_error(server, KEY, "stub-error-500", stream=stream)
    assert (failed.status_code, failed.type) == (500, "api_error")
    unknown = clients.anthropic_sees_an_error(server, KEY, "stub-99", stream=stream)
    assert (unknown.status_code, unknown.type) == (404, "not_found_error")
    assert unknown.request_id


@expectation()
async def anthropic_async_streams_a_tool_call(server: Server) -> None:
    assert_called(await clients.anthropic_async_streams_a_tool_call(server, KEY), "tool_use")


# -- frameworks; importing them takes seconds, so that is left to the test that runs


@expectation()
def langchain_streams_text(server: Server) -> None:
    from tests.support import frameworks

    assert frameworks.langchain_streams_text(server, KEY) == QUESTION


@expectation(stream=[False, True])
def langchain_loops_through_a_tool(server: Server, stream: bool) -> None:
    from tests.support import frameworks

    calls, answer = frameworks.langchain_loops_through_a_tool(server, KEY, stream=stream)
    assert calls == [("get_weather", WEATHER_ARGUMENTS)]
    assert answer == f"The tool answered: {SUNNY}"


@expectation(api=["chat", "responses"], stream=[False, True])
async def openai_agents_loop_through_a_tool(server: Server, api: Literal["chat", "responses"], stream: bool) -> None:
    from tests.support import frameworks

    cities, output = await frameworks.openai_agents_loop_through_a_tool(server, KEY, api, stream=stream)
    assert cities == ["example"]
    assert output == f"The tool answered: {SUNNY}"
