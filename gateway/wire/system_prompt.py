"""Puts another system prompt in the place of a request's own: what stands before anybody speaks, as `History.system`
reads it. What the agent's makers say later, of what has changed, stays."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from gateway.wire.conversation import ARRAYS, said_in, speaker
from gateway.wire.edit import insert_first, rearrange, set_member
from gateway.wire.messages_history import is_billing

_MEMBERS = {"responses": "instructions", "messages": "system"}


def replace_system(body: bytes, document: dict[str, Any], dialect: str, text: str) -> bytes:
    """The request with this system prompt and no other; the same object where a dialect has none.

    `document` is `body` as it was read.
    """
    if dialect not in ARRAYS:
        return body
    messages, member = said_in(dialect, document), _MEMBERS.get(dialect)
    early = list(_before_anybody(dialect, messages))
    has_member = member is not None and document.get(member) is not None
    if member is not None and (has_member or not early):
        body = _with_member(body, document, member, text)
        return _without(body, dialect, early) if early else body
    if not early and not isinstance(document.get(ARRAYS[dialect]), list):
        return body  # there is no conversation
    if not early:
        return insert_first(body, (ARRAYS[dialect],), [{"role": "system", "content": text}])
    return _without(body, dialect, early[1:], first=(early[0], text))


def _before_anybody(dialect: str, messages: Sequence[Any]) -> Iterator[int]:
    """The places of the messages that make up the system prompt."""
    for at, message in enumerate(messages):
        who = speaker(dialect, message)
        if who in ("user", "model"):
            return
        if who == "system":
            yield at


def _with_member(body: bytes, document: dict[str, Any], member: str, text: str) -> bytes:
    blocks = document.get(member)
    if not isinstance(blocks, list) or member != _MEMBERS["messages"]:
        return set_member(body, (member,), text)
    own = [at for at, block in enumerate(blocks) if not is_billing(block)]

    def change(items: list[str]) -> list[str]:
        last = own[-1] if own else None
        # The last one: there clients mark what is to be cached.
        new = (
            _text_block(blocks[last], items[last], text) if last is not None else _dumps({"type": "text", "text": text})
        )
        kept = [new if at == last else item for at, item in enumerate(items) if at == last or at not in own]
        return kept if last is not None else [*kept, new]

    return rearrange(body, (member,), change)


def _text_block(block: Any, item: str, text: str) -> str:
    if isinstance(block, dict) and block.get("type") == "text":
        return set_member(item.encode(), ("text",), text).decode()
    return _dumps({"type": "text", "text": text})


def _without(body: bytes, dialect: str, places: Sequence[int], first: tuple[int, str] | None = None) -> bytes:
    """The request without these messages; `first` says another text."""

    def change(items: list[str]) -> list[str]:
        if first is not None:
            items = list(items)
            items[first[0]] = set_member(items[first[0]].encode(), ("content",), first[1]).decode()
        return [item for at, item in enumerate(items) if at not in places]

    return rearrange(body, (ARRAYS[dialect],), change)


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()
