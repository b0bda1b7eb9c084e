"""A stub turn in OpenAI's chat and text completions, whole and streamed (https://platform.openai.com/docs/api-reference/chat)."""

from collections.abc import Iterator
from typing import Any

from gateway.demo.stub_frames import DONE, Frame, Mint, fragments, frame, words
from gateway.demo.stub_question import StubQuestion
from gateway.demo.stub_turns import Call, Turn

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def chat_whole(question: StubQuestion, turn: Turn, mint: Mint) -> dict[str, Any]:
    """A `chat.completion`."""
    head, choices = _head(question, mint, "chatcmpl-", "chat.completion"), []
    for index in range(question.choices):
        message: dict[str, Any] = {"role": "assistant", "content": turn.text if turn.text or not turn.calls else None}
        message |= {"refusal": None, "annotations": []} | _called(question, turn, mint)
        choices.append({"index": index, "message": message, "logprobs": None, "finish_reason": _finish(question, turn)})
    head |= {"choices": choices, "usage": _usage(question, turn)}
    return head | {"service_tier": "default", "system_fingerprint": "fp_stub"}


def chat_stream(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[Frame]:
    """`chat.completion.chunk`s: the choices take turns, as those of a provider do."""
    head = _head(question, mint, "chatcmpl-", "chat.completion.chunk")
    head |= {"service_tier": "default", "system_fingerprint": "fp_stub"}
    parts = [list(_deltas(question, turn, mint)) for _ in range(question.choices)]
    rest = {"usage": None} if question.include_usage else {}
    for position in range(len(parts[0])):
        for index, deltas in enumerate(parts):
            delta, finish = deltas[position]
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield frame(head | {"choices": [choice]} | rest, piece=bool(delta) and "role" not in delta)
    if question.include_usage:
        yield frame(head | {"choices": [], "usage": _usage(question, turn)})
    yield DONE


def completion_whole(question: StubQuestion, turn: Turn, mint: Mint) -> dict[str, Any]:
    """A `text_completion`; `n` answers for each prompt."""
    choices = [_text_choice(index, turn.text, _finish(question, turn)) for index in range(_completions(question))]
    answer = _head(question, mint, "cmpl-", "text_completion") | {"choices": choices}
    return answer | {"usage": _usage(question, turn, _completions(question))}


def completion_stream(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[Frame]:
    """`text_completion` chunks; the last of each choice has the finish reason and no text."""
    head = _head(question, mint, "cmpl-", "text_completion")
    rest = {"usage": None} if question.include_usage else {}
    pieces: list[tuple[str, str | None]] = [(word, None) for word in words(turn.text)]
    for text, finish in [*pieces, ("", _finish(question, turn))]:
        for index in range(_completions(question)):
            yield frame(head | {"choices": [_text_choice(index, text, finish)]} | rest, piece=bool(text))
    if question.include_usage:
        yield frame(head | {"choices": [], "usage": _usage(question, turn, _completions(question))})
    yield DONE


def _head(question: StubQuestion, mint: Mint, prefix: str, kind: str) -> dict[str, Any]:
    return {"id": mint.id(prefix), "object": kind, "created": mint.created, "model": question.model}


def _finish(question: StubQuestion, turn: Turn) -> str:
    if turn.finish:
        return _FINISH.get(turn.finish, turn.finish)
    return ("function_call" if question.legacy else "tool_calls") if turn.calls else "stop"


def _usage(question: StubQuestion, turn: Turn, answers: int = 0) -> dict[str, Any]:
    output = turn.tokens * (answers or question.choices)
    return {
        "prompt_tokens": question.input_tokens,
        "completion_tokens": output,
        "total_tokens": question.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _called(question: StubQuestion, turn: Turn, mint: Mint) -> dict[str, Any]:
    """`tool_calls`, or `function_call` where the caller speaks of functions; nothing without calls."""
    if not turn.calls:
        return {}
    if question.legacy:
        return {"function_call": {"name": turn.calls[0].name, "arguments": turn.calls[0].arguments}}
    return {"tool_calls": [_call(call, call.arguments, mint) for call in turn.calls]}


def _call(call: Call, arguments: str, mint: Mint) -> dict[str, Any]:
    head = {"id": call.id or mint.id("call_")}
    if call.kind == "custom":
        return head | {"type": "custom", "custom": {"name": call.name, "input": arguments}}
    return head | {"type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[tuple[dict[str, Any], str | None]]:
    """One choice as (delta, finish reason) pairs."""
    yield {"role": "assistant", "content": "" if turn.text or not turn.calls else None, "refusal": None}, None
    for word in words(turn.text):
        yield {"content": word}, None
    if question.legacy and turn.calls:
        yield {"function_call": {"name": turn.calls[0].name, "arguments": ""}}, None
        for part in fragments(turn.calls[0].arguments):
            yield {"function_call": {"arguments": part}}, None
    else:
        for index, call in enumerate(turn.calls):
            yield {"tool_calls": [{"index": index} | _call(call, "", mint)]}, None
            for part in fragments(call.arguments):
                piece = {"custom": {"input": part}} if call.kind == "custom" else {"function": {"arguments": part}}
                yield {"tool_calls": [{"index": index} | piece]}, None
    yield {}, _finish(question, turn)


def _text_choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _completions(question: StubQuestion) -> int:
    """A prompt that is a list of texts (or of token lists) is several prompts."""
    prompt = question.document.get("prompt")
    if not isinstance(prompt, list) or all(isinstance(one, int) for one in prompt):
        return question.choices
    return question.choices * min(128, len(prompt))
