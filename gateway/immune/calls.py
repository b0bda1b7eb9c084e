"""The tool calls of a conversation, as requests show it: recognised, but not kept as text.

Two calls are one if tool, arguments and result are; but who is told to wait looks again rightly. Random ids and times
with a clock are left out of results, as is what only says when a call was made of arguments; dates, numbers and names
there say which call it is.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.immune.plain_json import dumps, loads
from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.model.value import value

KEPT_CALLS = 128
FORMAT = 1

_LONGEST_RESULT = 32 * 1024
_LONGEST_NAME = 100
_LONGEST_WAITING = 200
# What says so in a few words. Whoever runs a tool could as well give another result each time.
_WAITING = re.compile(
    r"""
    \b(?:running|in[ _-]?progress|pending|queued|waiting|processing|building|starting)\b
    | \bnot\ (?:yet\ )?(?:ready|finished|completed?|done|available)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DEEPEST = 60
_DIGEST = 8
# Members of arguments that say when or how a call was made, not which one it is.
VOLATILE_MEMBERS = frozenset(
    (
        *("call_id", "tool_call_id", "tool_use_id", "request_id", "trace_id", "span_id"),
        *("nonce", "idempotency_key", "timestamp"),
    )
)
# Random ids, times with a clock, and durations: what differs between two results that say the same.
_VOLATILE = re.compile(
    r"""
    \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b
    | \b\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:\ ?(?:Z|[+-]\d\d:?\d\d))?
    | \b\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?
    | \b1[5-9]\d{8}(?:\d{3})?(?:\.\d{1,9})?\b
    | \b(?:call|chatcmpl|evt|msg|req|request|run|span|toolu|trace)[_-][0-9a-z]{8,64}\b
    | \b(?=[a-f]{0,63}\d)[0-9a-f]{16,64}\b
    | \b\d{1,9}(?:\.\d{1,9})?\ ?(?:ms|µs|us|ns)\b
    | \b\d{1,9}\.\d{1,9}\ ?s(?:ec(?:ond)?s?)?\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


@value
class Call:
    """A call as the conversation shows it. `word` counts the new words of people before it; no `result`: not known."""

    tool: str
    arguments: Any
    result: str | None = None
    failed: bool = False
    word: int = 0


@value
class Seen:
    """What is kept of a call: enough to recognise it, not to read it."""

    tool: str
    key: str
    failed: bool = False
    word: int = 0


@value
class Trail:
    """The latest calls of a conversation of which no request shows the whole (a Responses chain); as long as it is.

    `dropped` calls are older than those kept; `last` is a digest of what a person said last, `word` counts new words.
    """

    calls: tuple[Seen, ...] = ()
    dropped: int = 0
    word: int = 0
    last: str = ""


def followed(
    transcript: Transcript, failed: Callable[[Said], bool], *, trail: Trail | None = None, key: bytes = b""
) -> tuple[Trail, int]:
    """The calls of a conversation, and how many of them are new: made in the model's last turn.

    Args:
        transcript: of one request: the whole conversation, or what is new since `trail`.
        failed: whether a result says that its tool failed.
        key: secret, at most 64 bytes, where trails are stored.
    """
    start = Trail() if trail is None else trail
    calls = transcript.calls[-KEPT_CALLS:]
    older = len(transcript.calls) - len(calls)
    results, made = _results(calls, transcript.said), []
    at = calls[0].position if older else 0
    word, last = start.word, start.last
    for index, call in enumerate(calls):
        word, last = _heard(transcript.said[at : call.position], word, last, key)
        at = max(at, call.position)
        result = results.get(index)
        text, is_failed = (None, False) if result is None else (result.text + result.unread, failed(result))
        made.append(Call(call.name, call.arguments, text, is_failed, word))
    word, last = _heard(transcript.said[at:], word, last, key)
    seen = (*start.calls, *_seen_all(made, key, start.dropped + len(start.calls), whole=trail is None))
    kept = seen[-KEPT_CALLS:]
    return Trail(kept, start.dropped + older + len(seen) - len(kept), word, last), fresh_calls(transcript)


def covered(name: str, arguments: Any, call_id: str | None, key: bytes) -> MadeCall:
    """A call whose result is not there yet, as it may be stored: with a digest in place of its arguments, and of a name
    so long that nobody could remember many."""
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 2 * _DIGEST]}{_digest(b'', name)}"
    return MadeCall(name, _digest(key, _canonical(arguments)), call_id)


def forgotten(trail: Trail) -> Trail:
    """The same conversation once its history was dropped: what came before is no part of a loop any more."""
    return replace(trail, calls=(), dropped=trail.dropped + len(trail.calls))


def dump(trail: Trail) -> bytes:
    rows = [[call.tool, call.key, int(call.failed), call.word] for call in trail.calls]
    return dumps([FORMAT, rows, trail.dropped, trail.word, trail.last])


def load(data: bytes) -> Trail:
    """Raises ValueError for a format of another version."""
    document = loads(data)
    if document[0] != FORMAT:
        raise ValueError(f"a trail of format {document[0]!r}; this version reads {FORMAT}")
    _, rows, dropped, word, last = document
    calls = tuple(Seen(tool, key, bool(failed), word) for tool, key, failed, word in rows)
    return Trail(calls, dropped, word, last)


def fresh_calls(transcript: Transcript) -> int:
    """The calls of the model's last turn, if it has said nothing since."""
    calls, said = transcript.calls, transcript.said
    if not calls or any(text.speaker == "model" for text in said[calls[-1].position :]):
        return 0
    return sum(call.position == calls[-1].position for call in calls)


def _results(calls: Sequence[MadeCall], said: Sequence[Said]) -> dict[int, Said]:
    """Which text is the result of which call; by id, else the first result of that tool that follows it."""
    by_id: dict[str, Said] = {}
    loose: list[tuple[int, Said]] = []
    for position, text in enumerate(said):
        if text.speaker == "tool" and text.call_id is not None:
            by_id[text.call_id] = text
        elif text.speaker == "tool":
            loose.append((position, text))
    found: dict[int, Said] = {}
    for index, call in enumerate(calls):
        if call.call_id is not None and call.call_id in by_id:
            found[index] = by_id[call.call_id]
        elif loose and (at := _following(loose, call)) is not None:
            found[index] = loose.pop(at)[1]
    return found


def _following(loose: list[tuple[int, Said]], call: MadeCall) -> int | None:
    for index, (position, said) in enumerate(loose):
        if position >= call.position and said.tool in (None, call.name):
            return index
    return None


def _heard(said: Sequence[Said], word: int, last: str, key: bytes) -> tuple[int, str]:
    """How many words of people there were by then. The same text again, `Continue.` each time, is no new word."""
    for text in said:
        if text.speaker == "user":
            digest = _digest(key, text.text[:_LONGEST_RESULT])
            word += digest != last
            last = digest
    return word, last


def _seen_all(calls: Sequence[Call], key: bytes, before: int, *, whole: bool) -> list[Seen]:
    """Results, which may be long, are read only of calls that were made more than once. `before`: earlier calls."""
    asked = [call.tool + "\0" + _canonical(call.arguments) for call in calls]
    times = Counter(asked)
    return [
        Seen(
            call.tool,
            _digest(key, text, _shown(call.result, place) if times[text] > 1 or not whole else ""),
            call.failed,
            call.word,
        )
        for place, (call, text) in enumerate(zip(calls, asked, strict=True), before)
    ]


def _digest(key: bytes, *texts: str) -> str:
    hashed = hashlib.blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST, key=key)
    return hashed.hexdigest()


def _shown(result: str | None, place: int) -> str:
    """A result as it is compared: the one that says that something is still under way is none yet."""
    waits = result is not None and len(result) <= _LONGEST_WAITING and _WAITING.search(result) is not None
    return f"{place}" if waits else _stripped(result)


def _stripped(result: str | None) -> str:
    if result is None:
        return ""
    return _VOLATILE.sub("~", result[:_LONGEST_RESULT]) + result[_LONGEST_RESULT:]


def _canonical(arguments: Any) -> str:
    try:
        return json.dumps(_plain(arguments, 0), sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError):  # nothing JSON can hold; whoever reads requests has let it through
        return repr(arguments)


def _plain(arguments: Any, depth: int) -> Any:
    """1.0 and 1 are one number, and what only says when a call was made is left out."""
    if depth > _DEEPEST:
        return None
    if isinstance(arguments, Mapping):
        return {
            str(name): _plain(member, depth + 1) for name, member in arguments.items() if name not in VOLATILE_MEMBERS
        }
    if isinstance(arguments, list | tuple):
        return [_plain(member, depth + 1) for member in arguments]
    if isinstance(arguments, float) and arguments.is_integer():
        return int(arguments)
    return arguments
