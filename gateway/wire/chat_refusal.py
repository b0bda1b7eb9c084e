"""Rewrites a chat completion so that a refused turn says the refusal and ends as an ordinary one.

What a rewritten choice may keep is listed, not what it must lose: a call's text also stands in token probabilities
and in members that providers add.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

from gateway.model.verdict import Withhold
from gateway.wire.refusal_text import denied_members
from gateway.wire.sse import parse

_ENVELOPE = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_SAID = ("content", "refusal", "reasoning_content", "reasoning")
_PLAIN_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
_PLAIN_DELTA = frozenset({"role", "tool_calls", "function_call", *_SAID})


def turn_of(choice: dict[str, Any], position: int = 0) -> int:
    """The number of the turn that a choice belongs to; `position` stands in for a missing index."""
    index = choice.get("index")
    return index if type(index) is int else position


def choices_of(document: Any) -> list[dict[str, Any]]:
    """The choices that can be read; an empty list if there are none."""
    choices = document.get("choices") if isinstance(document, dict) else None
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def has_call(message: object) -> TypeGuard[dict[str, Any]]:
    """Whether a message or delta has a tool call or a part of one. An empty list is none."""
    return isinstance(message, dict) and bool(message.get("tool_calls") or message.get("function_call") is not None)


@dataclass(slots=True)
class StreamRefusal:
    """Rewrites the held frames of one turn.

    Args:
        turn: the refused choice.
        ruling: what to say.
        needs_role: no frame that has left named the choice's role.
        after_text: the choice has said something already.
        silent: the refusal was said before; only take calls out.
    """

    turn: int
    ruling: Withhold
    needs_role: bool
    after_text: bool
    silent: bool
    _finish: str | None = None
    _out: list[bytes] = field(default_factory=list)

    def rewrite(self, frames: Sequence[bytes]) -> bytes:
        documents = [_load(frame) for frame in frames]
        last = max((i for i, document in enumerate(documents) if self._own(document)), default=-1)
        for index, (frame, document) in enumerate(zip(frames, documents, strict=True)):
            own = self._own(document)
            if not own:
                self._out.append(frame)
            elif index < last and not any(_must_change(choice) for choice in own):
                self._note_role(own)
                self._out.append(frame)
            else:
                self._rewrite(document, own, index == last)
        return b"".join(self._out)

    def _own(self, document: Any) -> list[dict[str, Any]]:
        return [choice for choice in choices_of(document) if turn_of(choice) == self.turn]

    def _rewrite(self, document: dict[str, Any], own: list[dict[str, Any]], is_last: bool) -> None:
        others = [choice for choice in choices_of(document) if turn_of(choice) != self.turn]
        envelope = {key: document[key] for key in _ENVELOPE if key in document}
        for choice in own:
            if finish := choice.get("finish_reason"):
                self._finish = finish
            said = _said(choice)
            if said:
                self._emit(envelope, [self._choice(said)])
        if is_last and not self.silent:
            space = "\n\n" if self.after_text else ""
            self._emit(envelope, [self._choice({"content": space + self.ruling.text})])
        if is_last and (self._finish or not self.silent):
            others.append(self._end())
        if document.get("usage") is not None:
            envelope["usage"] = document["usage"]
        if others or "usage" in envelope:
            self._emit(envelope, others)

    def _choice(self, delta: dict[str, Any]) -> dict[str, Any]:
        if self.needs_role:
            delta = {"role": "assistant", **delta}
            self.needs_role = False
        return {"index": self.turn, "delta": delta, "finish_reason": None}

    def _end(self) -> dict[str, Any]:
        choice = {"index": self.turn, "delta": {}, "finish_reason": end_reason(self._finish)}
        if not self.silent:
            choice["leuko"] = {"denied": denied_members(self.ruling.denied)}
        return choice

    def _note_role(self, own: list[dict[str, Any]]) -> None:
        if any(isinstance(choice.get("delta"), dict) and choice["delta"].get("role") for choice in own):
            self.needs_role = False

    def _emit(self, envelope: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        self._out.append(b"data: " + orjson.dumps({**envelope, "choices": choices}) + b"\n\n")


def refuse_choice(choice: dict[str, Any], ruling: Withhold) -> dict[str, Any]:
    """A copy of a whole answer's choice that says the refusal instead of its calls."""
    message = choice.get("message")
    kept = {key: value for key, value in message.items() if key in ("role", "annotations", *_SAID)} if message else {}
    kept["content"] = _with_text(kept.get("content"), ruling.text)
    refused = {
        "index": choice.get("index", 0),
        "message": {"role": "assistant", **kept},
        "finish_reason": end_reason(choice.get("finish_reason")),
        "leuko": {"denied": denied_members(ruling.denied)},
    }
    if "logprobs" in choice:
        refused["logprobs"] = None
    return refused


def end_reason(finish: object) -> str:
    """An ordinary end; a cut one stays cut."""
    return "length" if finish == "length" else "stop"


def _with_text(content: object, text: str) -> Any:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n\n{text}" if isinstance(content, str) and content else text


def _load(frame: bytes) -> Any:
    _, data, _ = parse(frame)
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _must_change(choice: dict[str, Any]) -> bool:
    """Whether it has more than what the model said in plain text: a call's parts stand in many places."""
    delta = choice.get("delta")
    if not (_PLAIN_CHOICE.issuperset(choice) and isinstance(delta, dict) and _PLAIN_DELTA.issuperset(delta)):
        return True
    return any(choice.get(key) for key in ("finish_reason", "logprobs")) or has_call(delta)


def _said(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    return {key: delta[key] for key in _SAID if delta.get(key)} if isinstance(delta, dict) else {}
