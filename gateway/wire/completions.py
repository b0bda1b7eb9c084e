"""The older completions API: text only. https://platform.openai.com/docs/api-reference/completions"""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.model.answer import Answer
from gateway.model.ask import Ask
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.tool_call import ToolCall
from gateway.model.transcript import Said, Transcript
from gateway.model.verdict import Withhold
from gateway.wire import governed, openai_errors
from gateway.wire.chat_refusal import choices_of
from gateway.wire.chat_stream import note
from gateway.wire.dialect import ERROR, PLAIN, STREAM_END, Signals, StreamReader
from gateway.wire.openai_usage import strip_usage


class Completions:
    """See `Dialect`. There are no tool calls here."""

    name = "completions"
    streams = True
    injects_usage = True

    def read_request(self, document: dict[str, Any]) -> Ask:
        stream_options = governed.mapping(document, "stream_options")
        for name in ("n", "best_of"):  # answers are paid for each
            governed.count(document, name)
        return Ask(
            document,
            model=governed.model(document),
            stream=governed.flag(document, "stream"),
            wants_usage=governed.flag(stream_options, "include_usage", "stream_options."),
            max_output_tokens=governed.count(document, "max_tokens"),
        )

    def history(self, document: dict[str, Any]) -> History:
        prompt = document.get("prompt")
        return History(opening=prompt if isinstance(prompt, str) else "")

    def transcript(self, document: dict[str, Any]) -> Transcript:
        prompt = document.get("prompt")
        texts = prompt if isinstance(prompt, list) else [prompt]
        return Transcript(tuple(Said("user", text) for text in texts if isinstance(text, str)))

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        answer = Answer()
        _read(answer, document)
        return answer

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        return document

    def reader(self) -> StreamReader:
        return CompletionsReader()

    def error_body(self, refusal: Refusal) -> bytes:
        return openai_errors.error_body(refusal)


class CompletionsReader:
    """Reads one stream; see `StreamReader`."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._document: dict[str, Any] | None = None

    def read(self, data: bytes, event: bytes) -> Signals:
        self._document = None
        try:
            document = orjson.loads(data)
        except ValueError:
            return STREAM_END if data.startswith(b"[DONE]") else PLAIN
        if type(document) is not dict:
            return PLAIN
        self._document = document
        _read(self.answer, document)
        return ERROR if document.get("error") else PLAIN

    def calls(self, turn: int) -> Sequence[ToolCall]:
        return ()

    def strip(self, frame: bytes) -> bytes:
        return strip_usage(frame, self._document)

    def withhold(self, turn: int, frames: Sequence[bytes], ruling: Withhold) -> bytes:
        return b"".join(frames)

    def error_frame(self, refusal: Refusal) -> bytes:
        return openai_errors.error_frame(refusal)


def _read(answer: Answer, document: dict[str, Any]) -> None:
    note(answer, document)
    for choice in choices_of(document):
        if isinstance(text := choice.get("text"), str):
            answer.text_chars += len(text)
        if isinstance(finish := choice.get("finish_reason"), str):
            answer.finish_reason = finish


COMPLETIONS = Completions()
