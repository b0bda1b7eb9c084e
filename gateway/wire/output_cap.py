"""How much a request lets a model write, and how to allow it less.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-max_completion_tokens and its like in the other
dialects.
"""

import re
from dataclasses import dataclass
from typing import Any

from gateway.wire.edit import set_member

_MEMBERS = {
    "chat_completions": ("max_completion_tokens", "max_tokens"),
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}
_NEW_MODELS = re.compile(r"(?:^|[/:])(?:o\d|gpt-[5-9])")
_USUAL = {"completions": 16}
"""What the API itself takes where a request names no maximum. Elsewhere it is all that the model can write."""

_LEAST = 16
"""The Responses API refuses a smaller maximum; anywhere else, less is no answer."""

_MOST_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Output:
    """What a request lets a model write: `wanted` tokens in each of `answers` answers, None if it names no maximum.

    With less than `least` the request would fail.
    """

    wanted: int | None
    answers: int = 1
    least: int = _LEAST


_TELLING = frozenset({"thinking", "n", "best_of", "prompt"}.union(*_MEMBERS.values()))
_USUAL_OUTPUT = {dialect: Output(_USUAL.get(dialect)) for dialect in _MEMBERS}
"""Of requests with none of these."""


def output_of(dialect: str, document: dict[str, Any]) -> Output | None:
    """None where nothing is written: embeddings."""
    members = _MEMBERS.get(dialect)
    if members is None:
        return None
    if _TELLING.isdisjoint(document):
        return _USUAL_OUTPUT[dialect]
    # Which of two a provider goes by is its own affair: the larger counts.
    given = [value for name in members if (value := _positive(document.get(name))) is not None]
    wanted = max(given) if given else _USUAL.get(dialect)
    thinking = document.get("thinking")
    thought = _positive(thinking.get("budget_tokens")) if isinstance(thinking, dict) else None
    return Output(wanted, _answers(dialect, document), max(_LEAST, (thought or 0) + 1))


def member_for(dialect: str, model: str | None, *, openai: bool) -> str:
    """The member that a provider takes a maximum from; `openai`: it is OpenAI itself.

    In chat completions `max_tokens` is what every compatible server knows, and Azure's older versions know nothing
    else; OpenAI deprecates it, and its reasoning models refuse it, wherever they run.
    """
    if dialect == "chat_completions" and not openai and not _NEW_MODELS.search((model or "").lower()):
        return "max_tokens"
    return _MEMBERS[dialect][0]


def cap_output(body: bytes, document: dict[str, Any], dialect: str, cap: int, member: str) -> bytes:
    """The request with no maximum above `cap`, and with one at all: `member` where it names none.

    `document` is `body` as it was read.
    """
    given = [name for name in _MEMBERS[dialect] if document.get(name) is not None]
    for name in given:
        value = _positive(document[name])
        if value is None or value > cap:
            body = set_member(body, (name,), cap)
    if given:
        return body
    return _append(body, member, cap) if document and member not in document else set_member(body, (member,), cap)


def _append(body: bytes, name: str, cap: int) -> bytes:
    """`set_member` of a member that is not there, without a look at the rest."""
    kept = body[: body.rindex(b"}")].rstrip(b" \t\n\r")
    return kept + b',"%b":%d' % (name.encode(), cap) + body[len(kept) :]


def _answers(dialect: str, document: dict[str, Any]) -> int:
    answers = _positive(document.get("n")) or 1
    if dialect == "completions":
        answers = max(answers, _positive(document.get("best_of")) or 1)
        prompt = document.get("prompt")
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], str | list):
            answers *= len(prompt)
    return min(answers, _MOST_ANSWERS)


def _positive(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 2**53:
        return None
    return int(value)
