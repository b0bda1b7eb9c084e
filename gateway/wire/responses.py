"""OpenAI's Responses API, read and judged. https://platform.openai.com/docs/api-reference/responses

An answer has one turn, 0: all its output items together.
"""

from collections.abc import Iterator
from typing import Any

from gateway.model.answer import Answer
from gateway.model.ask import Ask, OfferedTool
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.transcript import Transcript
from gateway.model.verdict import Withhold
from gateway.wire import governed, openai_errors
from gateway.wire.dialect import Dialect, StreamReader
from gateway.wire.responses_history import responses_history
from gateway.wire.responses_items import (
    as_call,
    check_places,
    is_client_call,
    is_hosted,
    note_response,
    offered,
    result,
)
from gateway.wire.responses_refusal import without_calls
from gateway.wire.responses_stream import ResponsesReader
from gateway.wire.responses_transcript import responses_transcript


class Responses:
    """See `Dialect`."""

    name = "responses"
    streams = True
    injects_usage = False

    def read_request(self, document: dict[str, Any]) -> Ask:
        items = _input_items(document)
        return Ask(
            document=document,
            model=governed.model(document),
            stream=governed.flag(document, "stream"),
            tools=tuple(_offered(document, items)),
            results=tuple(found for item in items if (found := result(item)) is not None),
            max_output_tokens=governed.count(document, "max_output_tokens"),
            previous=governed.text(document, "previous_response_id"),
        )

    def history(self, document: dict[str, Any]) -> History:
        return responses_history(document)

    def transcript(self, document: dict[str, Any]) -> Transcript:
        return responses_transcript(document)

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        answer = Answer()
        note_response(answer, document)
        output = document.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        check_places(document, items)
        if calls := [as_call(item) for item in items if is_client_call(item)]:
            answer.calls[0] = calls
        answer.hosted = [as_call(item) for item in items if is_hosted(item)]
        answer.text_chars = sum(map(_text_chars, items))
        return answer

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        ruling = rulings.get(0)
        return dict(document) if ruling is None else without_calls(document, ruling)

    def reader(self) -> StreamReader:
        return ResponsesReader()

    def error_body(self, refusal: Refusal) -> bytes:
        return openai_errors.error_body(refusal)


def _input_items(document: dict[str, Any]) -> list[dict[str, Any]]:
    source = document.get("input")
    if source is not None and not isinstance(source, str | list):
        raise governed.wrong(source, "input", "a string or an array")
    return governed.mappings(document, "input") if isinstance(source, list) else []


def _offered(document: dict[str, Any], items: list[dict[str, Any]]) -> Iterator[OfferedTool]:
    """Clients also bring tools in input items, some of them in nothing else."""
    yield from offered(document, "")
    for position, item in enumerate(items):
        if item.get("type") != "mcp_list_tools":  # the tools of a server that is itself offered
            yield from offered(item, f"input[{position}].")


def _text_chars(item: dict[str, Any]) -> int:
    """Characters an item says or proposes."""
    said = [item.get("arguments"), item.get("input")]
    for parts in (item.get("content"), item.get("summary")):
        if isinstance(parts, list):
            said += [part.get(key) for part in parts if isinstance(part, dict) for key in ("text", "refusal")]
    return sum(len(text) for text in said if isinstance(text, str))


RESPONSES: Dialect = Responses()
