"""Where a value comes from: what people said, what tools gave, or the model alone.

The rule: a value is `user` if it stands in a system, developer or user message; `tool:X` if it stands in a result of
tool X; `untrusted` if that tool is marked so, or cannot be known while some tool is; `model` if it stands in none of
these. A value first seen in an untrusted result never becomes `user`, except through a message that stood before that
result: neither does it when a person repeats it later, nor when the conversation is shortened, which only `tainted`
can tell. Comparison is by whole tokens; see `tokens`.
"""

import html
import json
import re
from collections.abc import Callable, Collection, Container, Iterator
from typing import Any

from gateway.model.transcript import Said, Transcript
from gateway.policy.tokens import SHORTEST, elements, folded, grams, stands

_CHARACTERS = 4 * 1024 * 1024
"""Of a conversation. In a longer one, everything counts as untrusted."""
_TAINT_CHARACTERS = 1024 * 1024
"""Of messages and results that are looked at together for what was first read in untrusted ones."""
_LEAVES = 1000
"""In one value; more count as untrusted."""
_RESULTS = 100
_RESULT_CHARACTERS = 1024 * 1024
_FOUND = 1000
_STEP = re.compile(r"\.([^.\[\]]{1,200})|\[(\d{1,6}|\*)\]|\['([^']{1,200})'\]")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}

_MODEL = frozenset({"model"})
_UNTRUSTED = frozenset({"untrusted"})


def sources(
    value: Any,
    transcript: Transcript | None,
    *,
    untrusted: Collection[str],
    tainted: Callable[[str], bool],
    name: Callable[[str], str] = str,
) -> frozenset[str]:
    """Some of `user`, `model`, `untrusted` and `tool:X`. Of a list or an object: what all its values have in common,
    and `untrusted` if one is that; see `comes_from` for one whose values come from different places.

    Args:
        untrusted: tools whose results are untrusted text, by the names that `name` gives.
        tainted: whether a value was first seen in an untrusted result of this session that may be gone by now.
        name: the name by which rules know a tool, from the one in the conversation.
    """
    found = [_sources(leaf, transcript, untrusted, tainted, name) for leaf in _leaves(value)]
    if not found:
        return _MODEL
    if len(found) > _LEAVES:
        return _UNTRUSTED
    common = frozenset.intersection(*found)
    return common | _UNTRUSTED if any("untrusted" in one for one in found) else common


def comes_from(
    value: Any,
    allowed: Collection[str],
    transcript: Transcript | None,
    *,
    untrusted: Collection[str],
    tainted: Callable[[str], bool],
    name: Callable[[str], str] = str,
) -> bool:
    """Whether every text and number in the value has one of the allowed sources. Arguments as of `sources`."""
    leaves = list(_leaves(value)) or [None]
    return len(leaves) <= _LEAVES and all(
        not _sources(leaf, transcript, untrusted, tainted, name).isdisjoint(allowed) for leaf in leaves
    )


def _leaves(value: Any) -> Iterator[Any]:
    """The plain values inside a value, one more than are looked at. Arguments are read with bounded depth.

    Names of members count where they are no plain names, as in `{"eve@example.com": 1}`.
    """
    waiting, count = [value], 0
    while waiting and count <= _LEAVES:
        one = waiting.pop()
        if type(one) is dict:
            waiting += one.values()
            waiting += (key for key in one if _MEMBER.fullmatch(key) is None)
        elif type(one) is list:
            waiting += one
        else:
            count += 1
            yield one


def _sources(
    leaf: Any,
    transcript: Transcript | None,
    untrusted: Collection[str],
    tainted: Callable[[str], bool],
    name: Callable[[str], str],
) -> frozenset[str]:
    forms = _forms(leaf)
    if not forms:
        return _MODEL
    transcript = transcript or Transcript()
    if not _readable(transcript):
        return _UNTRUSTED
    found = {"untrusted"} if any(tainted(form) for form in forms) else set()
    if transcript.recalled is not None and not found and any(map(transcript.recalled, forms)):
        found.add("user")
    for position, said in enumerate(transcript.said):
        if said.speaker == "model":
            continue
        trusted = said.speaker == "user" or not _is_untrusted(said, untrusted, name)
        if said.speaker == "user" and ("user" in found or "untrusted" in found):
            continue  # known already, or said after it was read
        if not _stands(forms, transcript, position, said, if_tired=not trusted):
            continue
        if said.speaker == "user":
            found.add("user")
            continue
        found.add("tool:?" if said.tool is None else f"tool:{name(said.tool)}")
        if not trusted:
            found.add("untrusted")
    return frozenset(found) or _MODEL


def _is_untrusted(said: Said, untrusted: Collection[str], name: Callable[[str], str]) -> bool:
    """A result that nobody can say the tool of may be of an untrusted one."""
    return bool(untrusted) and (said.tool is None or name(said.tool) in untrusted)


def _forms(leaf: Any) -> list[str]:
    """How a text or a number may be written; nothing for what has no writing of its own."""
    if type(leaf) is str:
        form = folded(leaf)
        return [form] if form else []
    if type(leaf) is int:
        return list(dict.fromkeys((str(leaf), f"{leaf:,}"))) if abs(leaf) < 10**30 else [folded(hex(leaf))]
    if type(leaf) is float:
        return list(dict.fromkeys((repr(leaf), f"{leaf:.2f}", f"{leaf:,.2f}", f"{leaf:g}")))
    return []


def _readable(transcript: Transcript) -> bool:
    readable = transcript.memo.get("readable")
    if readable is None:
        size = sum(len(said.text) for said in transcript.said)
        readable = transcript.memo["readable"] = size <= _CHARACTERS
    return bool(readable)


def _stands(forms: list[str], transcript: Transcript, position: int, said: Said, *, if_tired: bool) -> bool:
    memo = transcript.memo
    for form in forms:
        if len(form) < SHORTEST:
            key = ("elements", position)
            if key not in memo:
                memo[key] = elements(said.text)
            if form in memo[key]:
                return True
            continue
        key = ("folded", position)
        if key not in memo:
            memo[key] = _read_as(said)
        if stands(form, memo[key], if_tired=if_tired):
            return True
    return False


def _read_as(said: Said) -> str:
    """A text folded; a result with escapes also as the model understands it."""
    text = said.text
    if said.speaker == "tool":
        if "\\" in text:
            text = f"{text}\n{_unescaped(text)}"
        if "&" in text and (plain := html.unescape(text)) != text:
            text = f"{text}\n{plain}"
    return folded(text)


def _unescaped(text: str) -> str:
    """The text without the escapes of JSON, whether it is JSON or only holds some."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)


def first_read(
    transcript: Transcript,
    *,
    untrusted: Collection[str],
    known: Container[tuple[str | None, int]] = (),
    name: Callable[[str], str] = str,
) -> set[str] | None:
    """What was first read in untrusted results, as the tokens and pairs by which `tainted` recognises values later.

    What stood in a message before the result is none of it. None: it is too much to tell.

    Args:
        known: results that were looked at before, by `mark`.
    """
    fresh = {
        position
        for position, said in enumerate(transcript.said)
        if said.speaker == "tool" and mark(said) not in known and _is_untrusted(said, untrusted, name)
    }
    if not fresh:
        return set()
    told = transcript.said[: max(fresh) + 1]
    if (
        sum(len(said.text) for said in told if said.speaker == "user")
        + sum(len(transcript.said[position].text) for position in fresh)
        > _TAINT_CHARACTERS
    ):
        return None
    before: set[str] = set()
    found: set[str] = set()
    recalled = transcript.recalled or _nothing
    for position, said in enumerate(told):
        if said.speaker == "user":
            before |= grams(_read_as(said)) - found
        elif position in fresh:
            found.update(one for one in grams(_read_as(said)) - before if not recalled(one))
    return found


def mark(said: Said) -> tuple[str | None, int]:
    """Tells one result from others within this process; ids of calls alone do not, some providers count from 0."""
    return said.call_id, hash(said.text)


def people_said(transcript: Transcript, longest: int) -> set[str]:
    """What people said, as tokens and pairs; of messages of at most `longest` characters, so not of long prompts."""
    texts = (said.text for said in transcript.said if said.speaker == "user" and len(said.text) <= longest)
    return set().union(*(grams(folded(text)) for text in texts))


def _nothing(value: str) -> bool:
    return False


def from_step(transcript: Transcript | None, tool: str, path: str, *, name: Callable[[str], str] = str) -> list[Any]:
    """The values at a path such as `$.iban`, `$.items[*].id` or `$['a b'][0]` in the JSON results of a tool.

    Looks at the latest 100 results of the tool, of at most 1 MiB each; a result that names a member twice has
    no values. Raises ValueError for a path that is none.
    """
    steps = read_path(path)
    found: list[Any] = []
    results = (
        [said for said in transcript.said if said.tool is not None and name(said.tool) == tool] if transcript else []
    )
    for said in results[-_RESULTS:]:
        found += _at(_read(said.text), steps)
    return found[-_FOUND:]


def read_path(path: str) -> tuple[str | int | None, ...]:
    """The steps of a path: names, indexes from 0, and None for `[*]`. Raises ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"a path starts with $, as in $.iban; {path!r} does not")
    steps: list[str | int | None] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError(
                f"{path!r} is no path from its character {at + 1} on; write $.name, [0], [*] or ['a name']"
            )
        dotted, index, quoted = step.groups()
        steps.append(None if index == "*" else int(index) if index is not None else dotted or quoted)
        at = step.end()
    return tuple(steps)


def _at(value: Any, steps: tuple[str | int | None, ...]) -> list[Any]:
    values = [value]
    for step in steps:
        if step is None:
            values = [inner for one in values if type(one) is list for inner in one][:_FOUND]
        elif type(step) is int:
            values = [one[step] for one in values if type(one) is list and step < len(one)]
        else:
            values = [one[step] for one in values if type(one) is dict and step in one]
    return values


def _read(text: str) -> Any:
    """A result's JSON; None where it is none, or one that two readers may read differently."""
    if len(text) > _RESULT_CHARACTERS:
        return None
    try:
        return json.loads(text, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is named twice")
    return members
