"""OpenAI's Responses API, read and judged. https://platform.openai.com/docs/api-reference/responses

An answer has one turn, 0: all its output items together.
"""

from collections.abc import Iterator
from typing import Any

from gateway.model.answer import Answer
from gateway.model.ask import Ask, OfferedTool
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.verdict import Withhold
from gateway.wire import openai_errors
from gateway.wire.dialect import Dialect, StreamReader
from gateway.wire.responses_items import as_call, is_client_call, is_hosted, note_response, offered, result
from gateway.wire.responses_refusal import without_calls
from gateway.wire.responses_stream import ResponsesReader


class Responses:
    """See `Dialect`."""

    name = "responses"
    streams = True
    injects_usage = False

    def read_request(self, document: dict[str, Any]) -> Ask:
        items = _input_items(document)
        return Ask(
            document=document,
            model=_member(document, "model", str),
            stream=_member(document, "stream", bool) or False,
            tools=tuple(_offered(document, items)),
            results=tuple(found for item in items if (found := result(item)) is not None),
            max_output_tokens=_member(document, "max_output_tokens", int),
            previous=_member(document, "previous_response_id", str),
        )

    def read_answer(self, document: dict[str, Any]) -> Answer:
        answer = Answer()
        note_response(answer, document)
        output = document.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        if calls := [as_call(item) for item in items if is_client_call(item)]:
            answer.calls[0] = calls
        answer.hosted = [as_call(item) for item in items if is_hosted(item)]
        answer.text_chars = sum(map(_text_chars, items))
        return answer

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        ruling = rulings.get(0)
        return dict(document) if ruling is None else without_calls(document, ruling)

    def reader(self, ask: Ask | None, *, strip_usage: bool = False) -> StreamReader:
        return ResponsesReader()

    def error_body(self, refusal: Refusal) -> bytes:
        return openai_errors.error_body(refusal)


def _member(document: dict[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if value is None or type(value) is kind:
        return value
    expected = {str: "a string", bool: "true or false", int: "an integer"}[kind]
    raise UnreadableRequest(f"{name} must be {expected}", param=name)


def _input_items(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = document.get("input")
    if items is None or isinstance(items, str):
        return []
    if not isinstance(items, list):
        raise UnreadableRequest("input must be a string or an array of items", param="input")
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise UnreadableRequest(f"input[{position}] must be an object", param=f"input[{position}]")
    return items


def _offered(document: dict[str, Any], items: list[dict[str, Any]]) -> Iterator[OfferedTool]:
    """Clients also bring tools in input items, some of them in nothing else."""
    if document.get("tools") is not None:
        yield from offered(document["tools"], "tools")
    for position, item in enumerate(items):
        if item.get("tools") is not None and item.get("type") != "mcp_list_tools":
            yield from offered(item["tools"], f"input[{position}].tools")


def _text_chars(item: dict[str, Any]) -> int:
    """Characters an item says or proposes."""
    said = [item.get("arguments"), item.get("input")]
    for parts in (item.get("content"), item.get("summary")):
        if isinstance(parts, list):
            said += [part.get(key) for part in parts if isinstance(part, dict) for key in ("text", "refusal")]
    return sum(len(text) for text in said if isinstance(text, str))


RESPONSES: Dialect = Responses()
