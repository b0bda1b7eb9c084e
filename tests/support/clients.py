"""What real client libraries see, when they talk to the stub models: the SDKs and frameworks that agents are built on.

Each function takes a `Server` and a credential, makes the calls an agent would make, and returns what the library made
of the answers. None retries.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from pydantic import BaseModel

QUESTION = "What is the weather in Bern? 雨 \u2028 🌧"
"""Not ASCII, and with a character that only some line splitters take for a line's end."""

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Bern", "Basel"]},
        "days": {"type": "integer", "minimum": 2},
        "notes": {"type": "string"},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER_ARGUMENTS = {"city": "Bern", "days": 2}
"""What `stub-tool` makes of the schema."""

SUNNY = "sunny, 21 degrees"
"""What the tool returns."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where clients are pointed. `root` has no path; the rest is what a user may have put behind it."""

    root: str
    openai_path: str = "/v1"
    anthropic_path: str = ""

    @property
    def openai(self) -> str:
        """The base URL that OpenAI's SDK, and what is built on it, is given."""
        return self.root + self.openai_path

    @property
    def anthropic(self) -> str:
        return self.root + self.anthropic_path


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as the library told of it. `arguments` is parsed where the library parses them."""

    name: str
    arguments: Any
    id: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer as the library told of it. `pieces` are the deltas of a stream, in order."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    id: str = ""
    pieces: tuple[str, ...] = ()


class Forecast(BaseModel):
    """What `parse` helpers are asked for."""

    city: str
    degrees: float
    tags: list[str]


# -- openai: chat completions ---------------------------------------------------------------------------------------


@contextmanager
def _openai(server: Server, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.openai, api_key=key, max_retries=0, timeout=20) as client:
        yield client


@asynccontextmanager
async def _async_openai(server: Server, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.openai, api_key=key, max_retries=0, timeout=20) as client:
        yield client


def _asked() -> list[Any]:
    return [{"role": "user", "content": QUESTION}]


def _chat_tool() -> Any:
    return {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}


def _chat_seen(completion: Any, choice: int = 0, pieces: tuple[str, ...] = ()) -> Seen:
    chosen, usage = completion.choices[choice], completion.usage
    calls = tuple(
        Call(call.custom.name, call.custom.input, call.id)
        if call.type == "custom"
        else Call(call.function.name, call.function.arguments, call.id)
        for call in chosen.message.tool_calls or ()
    )
    return Seen(
        chosen.message.content or "",
        calls,
        chosen.finish_reason,
        usage and usage.prompt_tokens,
        usage and usage.completion_tokens,
        completion.id,
        pieces,
    )


def openai_chat_answers_with_text(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        return _chat_seen(client.chat.completions.create(model="stub-echo", messages=_asked()))


def openai_chat_calls_a_tool(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        asked = client.chat.completions.create(model="stub-tool", messages=_asked(), tools=[_chat_tool()])
        return _chat_seen(asked)


def openai_chat_calls_a_custom_tool(server: Server, key: str) -> Seen:
    tool: Any = {"type": "custom", "custom": {"name": "run_code"}}
    with _openai(server, key) as client:
        return _chat_seen(client.chat.completions.create(model="stub-tool", messages=_asked(), tools=[tool]))


def openai_chat_calls_a_legacy_function(server: Server, key: str) -> Seen:
    function: Any = {"name": "get_weather", "parameters": WEATHER_SCHEMA}
    with _openai(server, key) as client:
        made = client.chat.completions.create(model="stub-tool", messages=_asked(), functions=[function])
        called = made.choices[0].message.function_call
        assert called is not None
        return Seen(calls=(Call(called.name, called.arguments),), finish=made.choices[0].finish_reason)


def openai_chat_streams_text(server: Server, key: str, *, include_usage: bool = True) -> Seen:
    """By `create(stream=True)`; without `include_usage` the usage is None, as no chunk may carry it then."""
    extra: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    pieces, finish, usage, answer = [], None, None, ""
    with _openai(server, key) as client:
        for chunk in client.chat.completions.create(model="stub-echo", messages=_asked(), stream=True, **extra):
            answer, usage = chunk.id, chunk.usage or usage
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    return Seen("".join(pieces), (), finish, *tokens, answer, tuple(pieces))


def openai_chat_streams_a_tool_call(server: Server, key: str) -> Seen:
    """By the `stream` helper, which puts the call together and parses it."""
    pieces: list[str] = []
    with _openai(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [_chat_tool()], "stream_options": {"include_usage": True}}
        with client.chat.completions.stream(model="stub-tool", **asked) as stream:
            for event in stream:
                if event.type == "tool_calls.function.arguments.delta":
                    pieces.append(event.arguments_delta)
            return _chat_seen(stream.get_final_completion(), pieces=tuple(pieces))


def openai_chat_streams_two_choices(server: Server, key: str) -> tuple[Seen, Seen]:
    """`n: 2`: both choices call the tool, their chunks mixed."""
    with _openai(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [_chat_tool()], "n": 2}
        with client.chat.completions.stream(model="stub-tool", **asked) as stream:
            final = stream.get_final_completion()
        return _chat_seen(final, 0), _chat_seen(final, 1)


def openai_chat_loops_through_a_tool(server: Server, key: str) -> Seen:
    """Ask, run the tool, bring its result, and take the answer."""
    with _openai(server, key) as client:
        talk: list[Any] = _asked()
        first = (
            client.chat.completions.create(model="stub-tool", messages=talk, tools=[_chat_tool()]).choices[0].message
        )
        results = [{"role": "tool", "tool_call_id": call.id, "content": SUNNY} for call in first.tool_calls or ()]
        talk += [first, *results]
        return _chat_seen(client.chat.completions.create(model="stub-tool", messages=talk, tools=[_chat_tool()]))


def openai_chat_parses_json(server: Server, key: str) -> Forecast | None:
    with _openai(server, key) as client:
        made = client.chat.completions.parse(model="stub-echo", messages=_asked(), response_format=Forecast)
        return made.choices[0].message.parsed


def openai_chat_follows_a_script(server: Server, key: str, turns: list[Any]) -> list[Seen]:
    """Goes through the whole script with `stub-script`, answering every call with `SUNNY`, until one turn has none."""
    talk, seen = _asked(), []
    with _openai(server, key) as client:
        while not seen or seen[-1].calls:
            extra = {"extra_body": {"stub": {"turns": turns}}}
            made: Any = client.chat.completions.create(model="stub-script", messages=talk, **extra)  # type: ignore[call-overload]
            seen.append(_chat_seen(made))
            results = [{"role": "tool", "tool_call_id": call.id, "content": SUNNY} for call in seen[-1].calls]
            talk += [made.choices[0].message, *results]
    return seen


async def openai_async_chat_streams_a_tool_call(server: Server, key: str) -> Seen:
    async with _async_openai(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [_chat_tool()], "stream_options": {"include_usage": True}}
        async with client.chat.completions.stream(model="stub-tool", **asked) as stream:
            return _chat_seen(await stream.get_final_completion())


async def openai_async_chat_leaves_a_slow_stream(server: Server, key: str) -> int:
    """Closes the connection after the third piece of `stub-slow`; returns how many pieces came."""
    seen = 0
    async with _async_openai(server, key) as client:
        asked: Any = {"messages": _asked(), "stream": True, "extra_body": {"stub": {"delay_ms": 20, "events": 1000}}}
        async with await client.chat.completions.create(model="stub-slow", **asked) as stream:
            async for chunk in stream:
                seen += bool(chunk.choices[0].delta.content)
                if seen == 3:
                    break
    return seen


# -- openai: the other routes ---------------------------------------------------------------------------------------


def openai_completion_answers(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        made = client.completions.create(model="stub-echo", prompt=QUESTION)
        assert made.usage is not None
        tokens = made.usage.prompt_tokens, made.usage.completion_tokens
        return Seen(made.choices[0].text, (), made.choices[0].finish_reason, *tokens, made.id)


def openai_completion_streams(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        asked: Any = {"prompt": QUESTION, "stream_options": {"include_usage": True}}
        chunks = list(client.completions.create(model="stub-echo", stream=True, **asked))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    pieces = tuple(choice.text for choice in choices)
    usage = chunks[-1].usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    return Seen("".join(pieces), (), choices[-1].finish_reason, *tokens, chunks[0].id, pieces)


def openai_embeddings(server: Server, key: str) -> list[list[float]]:
    """Two texts; the SDK asks for base64 by itself."""
    with _openai(server, key) as client:
        made = client.embeddings.create(model="stub-echo", input=[QUESTION, "another"], dimensions=64)
        return [one.embedding for one in made.data]


def openai_models(server: Server, key: str) -> list[str]:
    """The listing, then each stub model of it by its name."""
    with _openai(server, key) as client:
        names = [model.id for model in client.models.list() if model.id.startswith("stub-")]
        return [client.models.retrieve(name).id for name in names]


def openai_sees_an_error(server: Server, key: str, model: str, *, stream: bool = False) -> openai.APIStatusError:
    """The error of `stub-error-500` or of an unknown model, as the SDK raises it."""
    with _openai(server, key) as client:
        try:
            client.chat.completions.create(model=model, messages=_asked(), stream=stream)
        except openai.APIStatusError as error:
            return error
    raise AssertionError("the call should have failed")


# -- openai: responses ----------------------------------------------------------------------------------------------


def _responses_tool() -> Any:
    return {"type": "function", "name": "get_weather", "parameters": WEATHER_SCHEMA, "strict": False}


def _response_seen(response: Any, pieces: tuple[str, ...] = ()) -> Seen:
    calls = [item for item in response.output if item.type in ("function_call", "custom_tool_call")]
    return Seen(
        response.output_text,
        tuple(Call(c.name, c.arguments if c.type == "function_call" else c.input, c.call_id) for c in calls),
        response.status,
        response.usage.input_tokens,
        response.usage.output_tokens,
        response.id,
        pieces,
    )


def openai_responses_answers_with_text(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        return _response_seen(client.responses.create(model="stub-echo", input=QUESTION))


def openai_responses_calls_a_custom_tool(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        tool: Any = {"type": "custom", "name": "run_code"}
        return _response_seen(client.responses.create(model="stub-tool", input=QUESTION, tools=[tool]))


def openai_responses_streams_text(server: Server, key: str) -> Seen:
    with _openai(server, key) as client, client.responses.stream(model="stub-echo", input=QUESTION) as stream:
        pieces = tuple(event.delta for event in stream if event.type == "response.output_text.delta")
        return _response_seen(stream.get_final_response(), pieces)


def openai_responses_streams_a_tool_call(server: Server, key: str) -> Seen:
    with _openai(server, key) as client:
        asked: Any = {"input": QUESTION, "tools": [_responses_tool()]}
        with client.responses.stream(model="stub-tool", **asked) as stream:
            pieces = tuple(e.delta for e in stream if e.type == "response.function_call_arguments.delta")
            return _response_seen(stream.get_final_response(), pieces)


def openai_responses_event_names(server: Server, key: str) -> list[tuple[int, str]]:
    """(sequence number, type) of each event of a stream with a tool call."""
    with _openai(server, key) as client:
        asked: Any = {"input": QUESTION, "tools": [_responses_tool()]}
        with client.responses.create(model="stub-tool", stream=True, **asked) as stream:
            return [(event.sequence_number, event.type) for event in stream]


def openai_responses_continue_by_id(server: Server, key: str, turns: list[Any]) -> list[Seen]:
    """Goes through a script by `previous_response_id`, sending only the new results each time."""
    seen: list[Seen] = []
    with _openai(server, key) as client:
        asked: dict[str, Any] = {"input": QUESTION}
        while not seen or seen[-1].calls:
            made = client.responses.create(model="stub-script", extra_body={"stub": {"turns": turns}}, **asked)
            seen.append(_response_seen(made))
            results = [{"type": "function_call_output", "call_id": c.id, "output": SUNNY} for c in seen[-1].calls]
            asked = {"input": results, "previous_response_id": made.id}
    return seen


def openai_responses_parses_json(server: Server, key: str) -> Forecast | None:
    with _openai(server, key) as client:
        return client.responses.parse(model="stub-echo", input=QUESTION, text_format=Forecast).output_parsed


async def openai_async_responses_streams_a_tool_call(server: Server, key: str) -> Seen:
    async with _async_openai(server, key) as client:
        asked: Any = {"input": QUESTION, "tools": [_responses_tool()]}
        async with client.responses.stream(model="stub-tool", **asked) as stream:
            return _response_seen(await stream.get_final_response())


# -- anthropic ------------------------------------------------------------------------------------------------------


@contextmanager
def _anthropic(server: Server, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.anthropic, api_key=key, max_retries=0, timeout=20) as client:
        yield client


def _messages_tool() -> Any:
    return {"name": "get_weather", "description": "The weather", "input_schema": WEATHER_SCHEMA}


def _message_seen(message: Any, pieces: tuple[str, ...] = ()) -> Seen:
    return Seen(
        "".join(block.text for block in message.content if block.type == "text"),
        tuple(Call(b.name, b.input, b.id) for b in message.content if b.type == "tool_use"),
        message.stop_reason,
        message.usage.input_tokens,
        message.usage.output_tokens,
        message.id,
        pieces,
    )


def anthropic_answers_with_text(server: Server, key: str) -> Seen:
    with _anthropic(server, key) as client:
        return _message_seen(client.messages.create(model="stub-echo", max_tokens=100, messages=_asked()))


def anthropic_calls_a_tool(server: Server, key: str) -> Seen:
    with _anthropic(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [_messages_tool()]}
        return _message_seen(client.messages.create(model="stub-tool", max_tokens=100, **asked))


def anthropic_streams_text(server: Server, key: str) -> Seen:
    with (
        _anthropic(server, key) as client,
        client.messages.stream(model="stub-echo", max_tokens=100, messages=_asked()) as stream,
    ):
        pieces = tuple(stream.text_stream)
        return _message_seen(stream.get_final_message(), pieces)


def anthropic_streams_a_tool_call(server: Server, key: str) -> Seen:
    with _anthropic(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [_messages_tool()]}
        with client.messages.stream(model="stub-tool", max_tokens=100, **asked) as stream:
            pieces = tuple(event.partial_json for event in stream if event.type == "input_json")
            return _message_seen(stream.get_final_message(), pieces)


def anthropic_loops_through_a_tool(server: Server, key: str) -> Seen:
    """Ask, run the tool, bring its result, and take the answer."""
    with _anthropic(server, key) as client:
        offered: Any = {"model": "stub-tool", "max_tokens": 100, "tools": [_messages_tool()]}
        first = client.messages.create(messages=_asked(), **offered)
        ids = [block.id for block in first.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": id, "content": SUNNY} for id in ids]
        talk: list[Any] = [*_asked(), {"role": "assistant", "content": first.content}]
        return _message_seen(client.messages.create(messages=[*talk, {"role": "user", "content": results}], **offered))


def anthropic_counts_tokens(server: Server, key: str) -> int:
    with _anthropic(server, key) as client:
        return client.messages.count_tokens(model="stub-echo", messages=_asked()).input_tokens


def anthropic_models(server: Server, key: str) -> list[str]:
    with _anthropic(server, key) as client:
        return [client.models.retrieve(model.id).id for model in client.models.list() if model.id.startswith("stub-")]


def anthropic_tool_runner(server: Server, key: str, *, stream: bool = False) -> tuple[list[dict[str, Any]], list[Seen]]:
    """The beta tool runner, which continues a thread that the provider keeps; (what the tool got, the messages)."""
    ran: list[dict[str, Any]] = []

    @anthropic.beta_tool
    def get_weather(city: str, days: int) -> str:
        """The weather.

        Args:
            city: where
            days: how many
        """
        ran.append({"city": city, "days": days})
        return SUNNY

    with _anthropic(server, key) as client:
        asked: Any = {"messages": _asked(), "tools": [get_weather], "stream": stream}
        runner: Any = client.beta.messages.tool_runner(model="stub-tool", max_tokens=100, max_iterations=4, **asked)
        messages = [step.get_final_message() if stream else step for step in runner]
    return ran, [_message_seen(message) for message in messages]


def anthropic_sees_an_error(server: Server, key: str, model: str, *, stream: bool = False) -> anthropic.APIStatusError:
    with _anthropic(server, key) as client:
        try:
            client.messages.create(model=model, max_tokens=100, messages=_asked(), stream=stream)
        except anthropic.APIStatusError as error:
            return error
    raise AssertionError("the call should have failed")


async def anthropic_async_streams_a_tool_call(server: Server, key: str) -> Seen:
    async with anthropic.AsyncAnthropic(base_url=server.anthropic, api_key=key, max_retries=0, timeout=20) as client:
        asked: Any = {"messages": _asked(), "tools": [_messages_tool()]}
        async with client.messages.stream(model="stub-tool", max_tokens=100, **asked) as stream:
            return _message_seen(await stream.get_final_message())
