"""Changes one place of a JSON text and leaves every other byte as received: number formats, escapes, white space.

Prompt caches and signatures depend on the bytes, so a request is never written out anew.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_SPACE = re.compile(r"[ \t\n\r]*")

# Finds the end of a value; the value itself is not used, so numbers may stay text, however long they are.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


class _Member(NamedTuple):
    """Where a member stands: `before` its key (just after `{` or `,`), and the span of its value."""

    key: str
    before: int
    start: int
    end: int


def set_member(body: bytes, path: tuple[str, ...], value: Any) -> bytes:
    """The object with the member at `path` set to `value`. A missing one is added last; missing objects on the way too.

    Something other than an object on the way is replaced. `body` must be an object that was read before.

    Raises:
        ValueError: there is no object to edit.
    """
    text = body.decode()
    start = _object_start(text)
    for depth, key in enumerate(path):
        members = list(_members(text, start))
        found = [member for member in members if member.key == key]
        rest = path[depth + 1 :]
        if not found:
            return _append(text, start, members, key, _nest(rest, value)).encode()
        if not rest or any(text[member.start] != "{" for member in found):
            return _replace(text, found, _nest(rest, value)).encode()
        start = found[-1].start
    raise ValueError("an empty path names no member")


def remove_member(body: bytes, path: tuple[str, ...]) -> bytes:
    """The object without the member at `path`, and without the comma that it needed; unchanged if it has none.

    Raises:
        ValueError: there is no object to edit.
    """
    text = body.decode()
    start = _object_start(text)
    for key in path[:-1]:
        found = [member for member in _members(text, start) if member.key == key]
        if not found or text[found[-1].start] != "{":
            return body
        start = found[-1].start
    return _cut(text, list(_members(text, start)), path[-1]).encode()


def remove_items(body: bytes, path: tuple[str | int, ...], doomed: Collection[int]) -> bytes:
    """The text without these items of the array at `path`, and without the commas that they needed.

    Raises:
        ValueError: there is no such array.
    """
    text = body.decode()
    spans = enumerate(_items(text, _array(text, path)))
    return _cut(text, [_Member("gone" if at in doomed else "", *span) for at, span in spans], "gone").encode()


def insert_first(body: bytes, path: tuple[str | int, ...], items: Sequence[Any]) -> bytes:
    """The text with these items before those of the array at `path`. Raises ValueError as `remove_items`."""
    text = body.decode()
    start = _array(text, path) + 1
    new = ",".join(orjson.dumps(item).decode() for item in items)
    comma = "" if text.startswith("]", _skip(text, start)) or not new else ","
    return (text[:start] + new + comma + text[start:]).encode()


def rearrange(body: bytes, path: tuple[str | int, ...], change: Callable[[list[str]], list[str]]) -> bytes:
    """The text with the array at `path` holding what `change` makes of the texts of its items; the same object where
    they stay as they are. Raises ValueError as `remove_items`."""
    text = body.decode()
    start = _array(text, path)
    spans = list(_items(text, start))
    items = [text[begin:end] for _, begin, end in spans]
    changed = change(items)
    if changed == items:
        return body
    end = spans[-1][2] if spans else start + 1
    return f"{text[: start + 1]}{','.join(changed)}{text[end:]}".encode()


def items_of(text: str) -> list[str]:
    """The texts of the items of an array. Raises ValueError for anything else."""
    return [text[begin:end] for _, begin, end in _items(text, _array(text, ()))]


def member_of(text: str, name: str) -> str:
    """The text of a member of an object. Raises ValueError where there is none."""
    start = _locate(text, (name,))
    return text[start : _DECODER.raw_decode(text, start)[1]]


def replace_strings(
    body: bytes, path: tuple[str | int, ...], change: Callable[[str], str], left_alone: Collection[str] = ()
) -> bytes:
    """The text with every string of the value at `path` put through `change`, names of members and the strings of
    those named `left_alone` excepted. A string that does not change keeps its escapes. Raises ValueError as above."""
    text = body.decode()
    start = _locate(text, path)
    end = _DECODER.raw_decode(text, start)[1]
    pieces, position, key = [], start, ""
    for match in _STRING.finditer(text, start, end):
        raw = match.group()
        string = json.loads(raw) if "\\" in raw else raw[1:-1]
        if text.startswith(":", _skip(text, match.end())):
            key = string
            continue
        changed = string if key in left_alone else change(string)
        if changed is not string and changed != string:
            pieces += [text[position : match.start()], json.dumps(changed, ensure_ascii=False)]
            position = match.end()
    return (text[:start] + "".join(pieces) + text[position:]).encode("utf-8", "replace")


def include_usage(body: bytes, document: dict[str, Any]) -> bytes | None:
    """A streaming request with `stream_options.include_usage` true; None if it asks for usage already.

    `document` is `body` as it was read.
    """
    if "stream_options" not in document and document:
        kept = body[: body.rindex(b"}")].rstrip(b" \t\n\r")
        return kept + b',"stream_options":{"include_usage":true}' + body[len(kept) :]
    options = document.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        return None
    return set_member(body, ("stream_options", "include_usage"), True)


def _object_start(text: str) -> int:
    start = _skip(text, 0)
    if not text.startswith("{", start):
        raise ValueError("the text is not a JSON object")
    return start


def _members(text: str, start: int) -> Iterator[_Member]:
    """The members of the object whose brace is at `start`. Raises ValueError where the text is not JSON."""
    try:
        before = start + 1
        position = _skip(text, before)
        while text[position] != "}":
            if text[position] != '"':
                raise ValueError("a key is not a string")
            key, position = _DECODER.raw_decode(text, position)
            value_start = _skip(text, _skip(text, position) + 1)
            _, end = _DECODER.raw_decode(text, value_start)
            yield _Member(key, before, value_start, end)
            position = _skip(text, end)
            if text[position] == ",":
                before = position + 1
                position = _skip(text, before)
    except (IndexError, RecursionError):
        raise ValueError("the text is not a JSON object") from None


def _items(text: str, start: int) -> Iterator[tuple[int, int, int]]:
    """Of the items of the array whose bracket is at `start`: where each begins, with the space before it and without,
    and its end."""
    before = start + 1
    position = _skip(text, before)
    while text[position] != "]":
        _, end = _DECODER.raw_decode(text, position)
        yield before, position, end
        position = _skip(text, end)
        if text[position] == ",":
            before = position + 1
            position = _skip(text, before)


def _locate(text: str, path: tuple[str | int, ...]) -> int:
    """Where the value at `path` begins."""
    start = _skip(text, 0)
    for step in path:
        if isinstance(step, int):
            found = [span[1] for span in _items(text, start)][step : step + 1] if text[start] == "[" else []
        else:
            found = [one.start for one in _members(text, start) if one.key == step] if text[start] == "{" else []
        if not found:
            raise ValueError(f"there is no {step!r} in the text")
        start = found[-1]
    return start


def _array(text: str, path: tuple[str | int, ...]) -> int:
    start = _locate(text, path)
    if text[start] != "[":
        raise ValueError("the value is not an array")
    return start


def _nest(path: tuple[str, ...], value: Any) -> str:
    for key in reversed(path):
        value = {key: value}
    return orjson.dumps(value).decode()


def _append(text: str, start: int, members: list[_Member], key: str, value: str) -> str:
    member = f"{orjson.dumps(key).decode()}:{value}"
    if not members:
        return text[: start + 1] + member + text[start + 1 :]
    end = members[-1].end
    return f"{text[:end]},{member}{text[end:]}"


def _replace(text: str, found: list[_Member], value: str) -> str:
    for member in reversed(found):
        text = text[: member.start] + value + text[member.end :]
    return text


def _cut(text: str, members: list[_Member], key: str) -> str:
    """Cut from the last byte of the member before (or the brace) to the end of the member; a first one takes the comma
    behind it along instead."""
    kept_one = False
    pieces: list[str] = []
    position = 0
    for number, member in enumerate(members):
        if member.key != key:
            kept_one = True
        elif kept_one:
            pieces.append(text[position : member.before - 1])
            position = member.end
        else:
            pieces.append(text[position : member.before])
            position = members[number + 1].before if number + 1 < len(members) else member.end
    return "".join(pieces) + text[position:]


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()
