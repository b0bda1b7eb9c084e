"""A stub turn in Anthropic's Messages API, whole and streamed (https://platform.claude.com/docs/en/api/messages)."""

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.demo.stub_frames import Frame, Mint, fragments, frame, words
from gateway.demo.stub_question import StubQuestion
from gateway.demo.stub_turns import Call, Turn

_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}

Block = dict[str, Any]


def message_whole(question: StubQuestion, turn: Turn, mint: Mint) -> dict[str, Any]:
    """A finished `message`."""
    opened = _opened(question, mint)
    content: list[Block] = [{"type": "text", "text": turn.text}] if _speaks(turn) else []
    content += [_call_block(call, mint) | {"input": _input(call)} for call in turn.calls]
    end = {"content": content, "stop_reason": _stop_reason(turn), "usage": _usage(question, turn.tokens)}
    return opened | end


def message_stream(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[Frame]:
    """The message's events: each block is opened, filled and closed before the next; one ping."""
    for event, piece in _events(question, turn, mint):
        yield frame(event, event=event["type"], piece=piece)


def _events(question: StubQuestion, turn: Turn, mint: Mint) -> Iterator[tuple[Block, bool]]:
    yield {"type": "message_start", "message": _opened(question, mint)}, False
    blocks: list[tuple[Block, Iterator[Block]]] = []
    if _speaks(turn):
        texts = ({"type": "text_delta", "text": word} for word in words(turn.text))
        blocks.append(({"type": "text", "text": ""}, texts))
    blocks += [(_call_block(call, mint), _input_deltas(call)) for call in turn.calls]
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}, False
        if index == 0:
            yield {"type": "ping"}, False
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}, True
        yield {"type": "content_block_stop", "index": index}, False
    end = {"stop_reason": _stop_reason(turn), "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": _usage(question, turn.tokens)}, False
    yield {"type": "message_stop"}, False


def _opened(question: StubQuestion, mint: Mint) -> dict[str, Any]:
    return {
        "id": mint.counted_id("msg_", question.results_so_far),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(question, 1) | {"service_tier": "standard"},
    }


def _usage(question: StubQuestion, output_tokens: int) -> dict[str, Any]:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": question.input_tokens} | cached | {"output_tokens": output_tokens}


def _stop_reason(turn: Turn) -> str:
    if turn.finish:
        return _STOP.get(turn.finish, turn.finish)
    return "tool_use" if turn.calls else "end_turn"


def _speaks(turn: Turn) -> bool:
    return bool(turn.text) or not turn.calls


def _call_block(call: Call, mint: Mint) -> Block:
    return {"type": "tool_use", "id": call.id or mint.id("toolu_"), "name": call.name, "input": {}}


def _input_deltas(call: Call) -> Iterator[Block]:
    arguments = orjson.dumps(_input(call)).decode() if call.kind == "custom" else call.arguments
    for part in ("", *fragments(arguments)):
        yield {"type": "input_json_delta", "partial_json": part}


def _input(call: Call) -> Any:
    """A whole message has no raw arguments: text that is not JSON stands there as it is."""
    try:
        return orjson.loads(call.arguments or "{}") if call.kind != "custom" else {"input": call.arguments}
    except orjson.JSONDecodeError:
        return call.arguments
