"""Leaves out what a conversation held so far, so that a model forgets it: what is left says who the agent is and what
was asked last, and no result without its call.

What is kept keeps its bytes; only where two messages of one role would follow each other in the Messages API, which
knows no such thing, the blocks of both stand in one.
"""

from collections.abc import Collection
from typing import Any

from gateway.wire.conversation import ARRAYS, calls_in, reported_in, results_among, said_in, speaker
from gateway.wire.edit import items_of, member_of, rearrange, remove_member

_REFERENCES = (("previous_response_id",), ("conversation",))
_THREAD = ("thread", "previous_message_id")


class NothingLeft(ValueError):
    """The request says nothing but what is left out."""


def drop_history(body: bytes, document: dict[str, Any], dialect: str, held: int, *, refers: bool) -> bytes:
    """The request without its first `held` messages, but for what the agent's makers say and the words of the last turn
    of the user among them. What comes after them stays, without results of calls that are left out.

    Args:
        document: `body` as it was read.
        refers: whether what the provider keeps of the conversation is left out too.

    Raises NothingLeft.
    """
    messages = said_in(dialect, document)
    kept = _kept(dialect, messages, held, refers=refers)
    asks = bool(document.get(ARRAYS.get(dialect, ""))) and not messages  # its conversation is one text
    if (
        messages
        and not kept
        or refers
        and not (asks or any(speaker(dialect, messages[at]) == "user" for at, _ in kept))
    ):
        raise NothingLeft
    if kept != [(at, _NONE) for at in range(len(messages))]:
        body = rearrange(body, (ARRAYS[dialect],), lambda items: _joined(dialect, messages, items, kept, held))
    return _without_references(body, document, dialect) if refers else body


def refers(dialect: str, document: dict[str, Any]) -> bool:
    """Whether a request goes on from what its provider keeps."""
    if dialect == "messages":
        thread = document.get("thread")
        return isinstance(thread, dict) and thread.get("previous_message_id") is not None
    return dialect == "responses" and any(document.get(path[0]) is not None for path in _REFERENCES)


_Kept = tuple[int, frozenset[int]]
"""The place of a message that stays, and of its blocks that do not."""

_NONE = frozenset[int]()


def _kept(dialect: str, messages: list[Any], held: int, *, refers: bool) -> list[_Kept]:
    speakers, held = [speaker(dialect, message) for message in messages], min(held, len(messages))
    words = _last_words(dialect, messages[:held], speakers)
    if dialect == "messages" and held - 2 in words and speakers[held - 1] == "model":
        # The beginning of the answer that was asked for. https://docs.anthropic.com/en/docs/build-with-claude/prefill
        words |= {held - 1} if not any(calls_in(dialect, messages[held - 1])) else set()
    kept = [
        (at, results_among(messages[at]) if dialect == "messages" else _NONE)
        for at in range(held)
        if at in words or speakers[at] in ("system", "tools")
    ]
    gone = {call for message in messages[:held] for call in calls_in(dialect, message)}
    made = set[str]()
    for at in range(held, len(messages)):
        message = messages[at]
        made.update(calls_in(dialect, message))
        if dialect == "messages":
            blocks = [(place, message["content"][place]) for place in results_among(message)]
            orphans = frozenset(place for place, one in blocks if _is_orphan(one, dialect, gone, made, refers))
            if not orphans or len(orphans) < len(message["content"]):
                kept.append((at, orphans))
        elif not _is_orphan(message, dialect, gone, made, refers):
            kept.append((at, _NONE))
    return kept


def _is_orphan(told: Any, dialect: str, gone: Collection[str], made: Collection[str], refers: bool) -> bool:
    """Whether this is the result of a call that is left out. Some servers give later calls the ids of earlier ones."""
    call = reported_in(dialect, told)
    return call is not None and call not in made and (refers or call in gone)


def _last_words(dialect: str, messages: list[Any], speakers: list[Any]) -> set[int]:
    """The messages of the last turn of the user. In the Messages API clients say a word beside results, so those since
    the last message that reports none count as well."""
    users = [at for at, message in enumerate(messages) if speakers[at] == "user"]
    if not users:
        return set()
    plain = [at for at in users if not (dialect == "messages" and results_among(messages[at]))]
    first = plain[-1] if plain else users[-1]
    while first > 0 and speakers[first - 1] in ("user", "system", "tools"):
        first -= 1
    return {at for at in users if at >= first}


def _joined(dialect: str, messages: list[Any], items: list[str], kept: list[_Kept], held: int) -> list[str]:
    """The texts of the messages that stay."""
    found: list[str] = []
    turn: list[str] | None = None  # the blocks of the message put last, where it may take more
    for at, gone in kept:
        if dialect != "messages":
            found.append(items[at])
            continue
        blocks = _blocks(messages[at], items[at], gone)
        if turn is not None and blocks is not None and at <= held:
            turn += blocks
            found[-1] = _user(turn)
        else:
            turn = blocks
            found.append(_user(blocks) if gone and blocks is not None else items[at])
    return found


def _blocks(message: Any, text: str, gone: Collection[int]) -> list[str] | None:
    """The texts of the blocks of a user's message; None for any other."""
    content = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
    if isinstance(content, str):
        return [f'{{"type":"text","text":{member_of(text, "content")}}}']
    if not isinstance(content, list):
        return None
    return [block for at, block in enumerate(items_of(member_of(text, "content"))) if at not in gone]


def _user(blocks: list[str]) -> str:
    return f'{{"role":"user","content":[{",".join(blocks)}]}}'


def _without_references(body: bytes, document: dict[str, Any], dialect: str) -> bytes:
    for path in _REFERENCES if dialect == "responses" else (_THREAD,):
        if path[0] in document:
            body = remove_member(body, path)
    return body
