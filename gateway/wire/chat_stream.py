"""Reads a stream of chat completions. Each choice is a turn.

Nearly every frame is a few characters of text. Those are parsed once; only frames that could name a call, spelled
plainly or with escapes, are looked at a second time.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.model.answer import Answer
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Withhold
from gateway.wire import openai_errors, tolerant
from gateway.wire.chat_calls import CallsInParts
from gateway.wire.chat_refusal import StreamRefusal, choices_of, has_call
from gateway.wire.dialect import ERROR, PLAIN, STREAM_END, Signal, Signals, UnreadableFrame
from gateway.wire.hidden import hides_named_calls
from gateway.wire.openai_usage import read_usage, strip_usage
from gateway.wire.strict_json import exact, has_duplicates

_ASIDES = ("refusal", "reasoning_content", "reasoning")
_PARTS = ("content", "reasoning_details")
"""Where some providers put lists: https://docs.mistral.ai/capabilities/reasoning and
https://openrouter.ai/docs/use-cases/reasoning-tokens, which mostly says the same as `reasoning` beside it."""
_PART_TEXTS = ("text", "thinking", "summary")


class _Choice:
    """What was seen of one choice."""

    __slots__ = ("calls", "ended", "has_text", "holding", "refused", "role_held", "role_left")

    def __init__(self) -> None:
        self.calls = CallsInParts()
        self.has_text = False
        self.holding = False  # from its first call on
        self.ended = False
        self.refused = False
        self.role_left = False  # its role was in a frame that has left
        self.role_held = False

    def hold(self) -> None:
        if self.ended and not self.refused:  # the calls before were released
            self.role_left = self.role_left or self.role_held
        self.ended = False
        self.holding = True


class ChatReader:
    """Reads one stream; see `StreamReader`."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._choices: dict[int, _Choice] = {}
        self._document: dict[str, Any] | None = None

    def read(self, data: bytes, event: bytes) -> Signals:
        self._document = None
        try:
            document = orjson.loads(data)
        except ValueError:
            return read_other(data)
        # A key cannot be spelled without either of these; some clients ignore its case.
        delicate = b"_call" in data.lower() or (b"\\" in data and b"\\u00" in data)
        if delicate:
            _check_one_meaning(data, document)
            document = _exact(data, document)
        if type(document) is not dict:
            return PLAIN
        self._document = document
        return self._read_document(document, delicate)

    def calls(self, turn: int) -> Sequence[ToolCall]:
        return self._choice(turn).calls.build(turn)

    def strip(self, frame: bytes) -> bytes:
        return strip_usage(frame, self._document)

    def withhold(self, turn: int, frames: Sequence[bytes], ruling: Withhold) -> bytes:
        choice = self._choice(turn)
        needs_role = not (choice.role_left or choice.refused)
        refusal = StreamRefusal(turn, ruling, needs_role, choice.has_text, silent=choice.refused)
        choice.refused = True
        return refusal.rewrite(frames)

    def error_frame(self, refusal: Refusal) -> bytes:
        return openai_errors.error_frame(refusal)

    def _choice(self, turn: int) -> _Choice:
        choice = self._choices.get(turn)
        if choice is None:
            choice = self._choices[turn] = _Choice()
        return choice

    def _read_document(self, document: dict[str, Any], delicate: bool) -> Signals:
        if "usage" in document or self.answer.id is None:
            note(self.answer, document)
        if delicate:
            check_places(document, ("delta", "message"))
        signals: list[tuple[int, Signal]] = []
        choices = document.get("choices")
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict:
                    self._read_choice(choice, delicate, signals)
        if "error" in document and document["error"] and all(signal is not Signal.CALL for _, signal in signals):
            return ERROR
        return signals

    def _read_choice(self, choice: dict[str, Any], delicate: bool, signals: list[tuple[int, Signal]]) -> None:
        turn = choice.get("index", 0)
        if type(turn) is not int:
            if delicate:
                raise UnreadableFrame("the index of a choice is not a number")
            turn = 0
        seen = self._choices.get(turn) or self._choice(turn)
        if delicate and self._read_calls(choice, seen):
            signals.append((turn, Signal.CALL))
        delta = choice.get("delta")
        if type(delta) is dict:
            content = delta.get("content")
            is_text = type(content) is str
            if is_text and content:
                self.answer.text_chars += len(content)
                seen.has_text = True
            if not is_text or len(delta) > 1:
                self._read_asides(delta, seen)
        finish = choice.get("finish_reason")
        if finish:
            self.answer.finish_reason = finish if isinstance(finish, str) else None
            if seen.refused:  # it has ended already, otherwise: this reason must not leave as it is
                signals.append((turn, Signal.CALL))
            seen.ended = True
            signals.append((turn, Signal.TURN_END))

    def _read_asides(self, delta: dict[str, Any], seen: _Choice) -> None:
        if delta.get("role"):
            if seen.holding:
                seen.role_held = True
            else:
                seen.role_left = True
        for key in _ASIDES:
            if key in delta and type(delta[key]) is str:
                self.answer.text_chars += len(delta[key])
        for key in _PARTS:
            if key in delta and type(delta[key]) is list and not any(delta.get(said) for said in _ASIDES[1:]):
                self.answer.text_chars += _chars(delta[key])

    def _read_calls(self, choice: dict[str, Any], seen: _Choice) -> bool:
        found = False
        # A complete message has no place in a stream, but a client might look into one.
        for message in (choice.get("delta"), choice.get("message")):
            if has_call(message):
                seen.hold()
                self.answer.text_chars += seen.calls.add(message)
                found = True
        return found


def _chars(parts: object, depth: int = 2) -> int:
    """Characters of text in a list of parts, of which some hold lists themselves."""
    if type(parts) is str:
        return len(parts)
    found = parts if type(parts) is list and depth else ()
    texts = (part[key] for part in found if type(part) is dict for key in _PART_TEXTS if key in part)
    return sum(_chars(text, depth - 1) for text in texts)


def read_other(data: bytes) -> Signals:
    """What a frame means that is not JSON. Raises UnreadableFrame if a lenient client could find a call in it."""
    if data.startswith(b"[DONE]"):
        return STREAM_END
    if b"_call" in data.replace(b"\n", b"").lower() or b"\\u00" in data:
        raise UnreadableFrame("it is not valid JSON")
    return PLAIN


def check_places(document: dict[str, Any], read: Sequence[str]) -> None:
    """Raise UnreadableFrame if there are calls anywhere but in those members of a choice that are `read`."""
    messages = [choice.get(key) for choice in choices_of(document) for key in read]
    if hides_named_calls(document, messages):
        raise UnreadableFrame("it has tool calls where no client should look")


def note(answer: Answer, document: dict[str, Any]) -> None:
    """Note the members that say the same in every frame, and the usage."""
    if answer.id is None:
        identity, model = document.get("id"), document.get("model")
        answer.id = identity if isinstance(identity, str) else None
        answer.model = model if isinstance(model, str) else answer.model
        answer.service_tier = tolerant.text(document.get("service_tier"))
    if "usage" in document and document["usage"] is not None:
        answer.usage = read_usage(document["usage"]) or answer.usage
        answer.service_tier = tolerant.text(document.get("service_tier")) or answer.service_tier


def _exact(data: bytes, document: Any) -> Any:
    try:
        return exact(data, document)
    except UnreadableRequest:
        raise UnreadableFrame("a number of thousands of digits") from None


def _check_one_meaning(data: bytes, document: Any) -> None:
    try:
        ambiguous = type(document) is not dict or has_duplicates(data, document)
    except orjson.JSONEncodeError:
        raise UnreadableFrame("it is nested too deep") from None
    if ambiguous:
        raise UnreadableFrame("it could be read in more than one way")
