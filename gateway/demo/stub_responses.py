"""A stub turn in OpenAI's Responses API, whole and streamed (https://platform.openai.com/docs/api-reference/responses)."""

from collections.abc import Iterator
from typing import Any

from gateway.demo.stub_frames import Frame, Mint, fragments, frame, words
from gateway.demo.stub_question import StubQuestion
from gateway.demo.stub_turns import Call, Turn

_INCOMPLETE = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "max_output_tokens": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""Finish reasons that leave a response incomplete, and what it calls them."""

_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Members of a request that a response repeats, with what they are if the request has none."""

Item = dict[str, Any]


def response_whole(question: StubQuestion, turn: Turn, mint: Mint) -> dict[str, Any]:
    """A finished `response`."""
    return _finished(_opened(question, mint), question, turn, _items(turn, mint))


def response_stream(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[Frame]:
    """The response's events, numbered from 0."""
    for number, (event, piece) in enumerate(_events(question, turn, mint)):
        yield frame(event | {"sequence_number": number}, event=event["type"], piece=piece)


def _events(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[tuple[Item, bool]]:
    opened, items = _opened(question, mint), _items(turn, mint)
    yield {"type": "response.created", "response": opened}, False
    yield {"type": "response.in_progress", "response": opened}, False
    for index, item in enumerate(items):
        where = {"output_index": index}
        empty = item | {"status": "in_progress"} | _emptied(item)
        yield {"type": "response.output_item.added", "item": empty} | where, False
        yield from _parts(item, where | {"item_id": item["id"]})
        yield {"type": "response.output_item.done", "item": item} | where, False
    finished = _finished(opened, question, turn, items)
    yield {"type": f"response.{finished['status']}", "response": finished}, False


def _opened(question: StubQuestion, mint: Mint) -> dict[str, Any]:
    asked = question.document
    identity = {"id": mint.counted_id("resp_", question.results_so_far), "object": "response"}
    echoed = {member: asked[member] if asked.get(member) is not None else usual for member, usual in _ECHOED.items()}
    state: dict[str, Any] = {
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    return identity | {"created_at": mint.created, "completed_at": None, "model": question.model} | state | echoed


def _finished(opened: dict[str, Any], question: StubQuestion, turn: Turn, items: list[Item]) -> dict[str, Any]:
    reason = _INCOMPLETE.get(turn.finish or "")
    return opened | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "completed_at": None if reason else opened["created_at"],
        "output": items,
        "usage": {
            "input_tokens": question.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": turn.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": question.input_tokens + turn.tokens,
        },
    }


def _items(turn: Turn, mint: Mint) -> list[Item]:
    calls = [_call_item(call, mint) for call in turn.calls]
    return calls if calls and not turn.text else [_message_item(turn.text, mint), *calls]


def _message_item(text: str, mint: Mint) -> Item:
    content = [_text_part(text)]
    return {"id": mint.id("msg_"), "type": "message", "status": "completed", "role": "assistant", "content": content}


def _text_part(text: str) -> Item:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call_item(call: Call, mint: Mint) -> Item:
    custom = call.kind == "custom"
    item = {"id": mint.id("ctc_" if custom else "fc_"), "type": "custom_tool_call" if custom else "function_call"}
    item |= {"status": "completed", "call_id": call.id or mint.id("call_"), "name": call.name}
    item |= {"input" if custom else "arguments": call.arguments}
    return item | ({"namespace": call.namespace} if call.namespace else {})


def _emptied(item: Item) -> Item:
    """What the item is before its deltas."""
    return {member: type(item[member])() for member in ("content", "input", "arguments") if member in item}


def _parts(item: Item, where: Item) -> Iterator[tuple[Item, bool]]:
    if item["type"] == "message":
        yield from _text_parts(item["content"][0], where | {"content_index": 0})
        return
    member, kind = ("input", "custom_tool_call_input") if "input" in item else ("arguments", "function_call_arguments")
    for part in fragments(item[member]):
        yield {"type": f"response.{kind}.delta", "delta": part} | where, True
    yield {"type": f"response.{kind}.done", member: item[member], "name": item["name"]} | where, False


def _text_parts(part: Item, where: Item) -> Iterator[tuple[Item, bool]]:
    yield {"type": "response.content_part.added", "part": _text_part("")} | where, False
    for word in words(part["text"]):
        yield {"type": "response.output_text.delta", "delta": word, "logprobs": []} | where, True
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": []} | where, False
    yield {"type": "response.content_part.done", "part": part} | where, False
