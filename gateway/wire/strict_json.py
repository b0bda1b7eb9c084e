"""Reads JSON only if every reader would read the same: no duplicate keys, no odd encodings, bounded depth and size.

What is judged here is forwarded as received, so a body that two parsers could understand differently is refused.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

from gateway.model.errors import UnreadableRequest

DEPTH_LIMIT = 100
"""Arrays and objects inside each other."""
MEMBER_LIMIT = 250_000
"""Object members in one body; more take a worker longer to read than other requests can wait."""
VALUE_LIMIT = 1_000_000
"""Values in one body, and strings in it."""
CONTAINER_LIMIT = 250_000
"""Arrays and objects in one body: an empty one costs fifty times the memory of its two bytes."""
KEY_LIMIT = 64 * 1024
"""Characters of one key."""

_LARGE = 64 * 1024  # bytes of a body from which on sizes are looked at
_CONTAINERS = frozenset({dict, list})

_LONG_NUMBER_BYTES = re.compile(rb"[0-9]{19}")

# One string, also one that the body breaks off: it matches at every quote, so that finding all takes linear time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)

# fmt: off
_GOVERNED = frozenset({
    "model", "messages", "input", "prompt", "instructions", "system", "tools", "tool_choice", "functions",
    "function_call", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens",
    "n", "best_of", "background",
    "previous_response_id", "conversation", "mcp_servers", "parallel_tool_calls", "name", "type", "function",
    "custom", "parameters", "arguments", "input_schema", "description", "strict", "server_url", "server_label",
    "allowed_tools",
})

# Members that requests often have; only a set of keys with others is looked at one by one.
_FAMILIAR = _GOVERNED | frozenset({
    "temperature", "top_p", "n", "stop", "seed", "user", "store", "metadata", "reasoning", "reasoning_effort",
    "response_format", "text", "include", "truncation", "service_tier", "prompt_cache_key", "safety_identifier",
    "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "verbosity", "thinking",
    "cache_control", "stop_sequences", "top_k", "format",
})
# fmt: on


def loads(body: bytes) -> Any:
    """The document of a request body.

    Raises:
        UnreadableRequest: code `invalid_request` for what is not JSON in UTF-8 (or has a byte order mark, NaN, infinite
            numbers, lone surrogates) or passes a limit; code `duplicate_key` with the key's path as `param`.
    """
    large = len(body) > _LARGE
    if len(body) > 2 * CONTAINER_LIMIT:
        check_counts(body)
    # Counting single bytes is many times quicker than counting pairs, and nearly always enough.
    if large and body.count(b":") > MEMBER_LIMIT and members_at_most(body) > MEMBER_LIMIT:
        raise _too_many("object members", MEMBER_LIMIT)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):
            raise _too_deep() from None
        raise UnreadableRequest(f"The body is not valid JSON in UTF-8: {error}.") from None
    if large or body.count(b"{") + body.count(b"[") > DEPTH_LIMIT:
        check_sizes(document)
    if has_duplicates(body, document):
        raise _duplicate(first_duplicate(body))
    return document


def exact(body: bytes, document: Any) -> Any:
    """`document`, which orjson has read from `body`, with whole numbers as they are written: orjson rounds those that
    need more than 64 bits, and two that differ must not be taken for one another.

    Raises UnreadableRequest for a number of more digits than Python reads, which are 4,300.
    """
    if _LONG_NUMBER_BYTES.search(body) is None:
        return document
    try:
        return json.loads(body)
    except ValueError:
        raise UnreadableRequest("The body has a whole number of more than 4,300 digits.") from None


def dumps(value: Any) -> bytes:
    """JSON without white space; also of whole numbers that need more than 64 bits, which orjson does not write."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def has_duplicates(body: bytes, document: Any) -> bool:
    """Whether an object in `body`, which orjson has read as `document`, names a member twice, however it is spelled.

    Written out again without white space, a document has one colon for each member it kept, and the colons inside its
    strings, which are never escaped. The body has one colon for each member it names, and the same colons inside
    strings, each either as it is or as an escape, which is counted too. orjson keeps the last of several members with
    one key; each one dropped takes its colon along, and nothing adds one. So both counts are equal if, and only if,
    no member was dropped.

    Raises orjson.JSONEncodeError past a depth of 254.
    """
    again = orjson.dumps(document)
    if again == body:
        return False
    colons = body.count(b":")
    if b"\\u003" in body:
        # What is left of a row of backslashes once its pairs are gone begins an escape.
        unpaired = body.replace(b"\\\\", b"  ")
        colons += unpaired.count(b"\\u003a") + unpaired.count(b"\\u003A")
    return colons != again.count(b":")


def check_sizes(document: Any) -> None:
    """Raises UnreadableRequest for a document that is too deep or has a key that is too long. Walks level by level."""
    level = [document]
    for _ in range(DEPTH_LIMIT):
        below: list[Any] = []
        for container in level:
            values: Iterable[Any] = container
            if type(container) is dict:
                if len(max(container, key=len, default="")) > KEY_LIMIT:
                    raise UnreadableRequest(f"A key has more than {KEY_LIMIT:,} characters, which is the limit.")
                values = container.values()
            elif type(container) is not list:
                continue
            if not _CONTAINERS.isdisjoint(map(type, values)):
                below += [value for value in values if type(value) in _CONTAINERS]
        if not below:
            return
        level = below
    raise _too_deep()


def members_at_most(body: bytes) -> int:
    """An upper bound, tight in practice, of the object members named in `body`.

    A member's colon stands after a quote or white space. Escaped quotes before a colon (JSON inside a string) are taken
    out, unless it is the backslash that is escaped, which may end a key.
    """
    quoted = body.count(b'":') - body.count(b'\\":') + body.count(b'\\\\":')
    return quoted + sum(body.count(space + b":") for space in (b" ", b"\t", b"\n", b"\r"))


def check_counts(body: bytes) -> None:
    """Raises UnreadableRequest for a body of more values, strings or containers than a worker reads quickly.

    Text may hold as many commas and brackets as it likes: it is taken out before they are counted for good, which is
    only done for bodies that have many.
    """
    if body.count(b",") < VALUE_LIMIT and body.count(b"[") + body.count(b"{") <= CONTAINER_LIMIT:
        return
    if body.count(b'"') - body.count(b'\\"') > 2 * VALUE_LIMIT:
        raise _too_many("strings", VALUE_LIMIT)
    bare = _STRING.sub(b"", body)
    if bare.count(b",") >= VALUE_LIMIT:
        raise _too_many("values", VALUE_LIMIT)
    if bare.count(b"[") + bare.count(b"{") > CONTAINER_LIMIT:
        raise _too_many("arrays and objects", CONTAINER_LIMIT)


def check_case_variants(document: dict[str, Any]) -> None:
    """Refuse keys that equal a governed name but for case: parsers that ignore case would read another request.

    Looks at the top level, at each tool and at its `function`, and at tools inside a tool.

    Raises:
        UnreadableRequest: code `duplicate_key`, the key's path as `param`.
    """
    _check_names(document, "")
    if "tools" in document:
        _check_tools(document["tools"], "tools")


def _check_tools(tools: Any, path: str) -> None:
    if not isinstance(tools, list):
        return
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            continue
        if not _FAMILIAR.issuperset(tool):  # paths are for those that have others
            _check_names(tool, f"{path}[{index}].")
        function = tool.get("function")
        if isinstance(function, dict) and not _FAMILIAR.issuperset(function):
            _check_names(function, f"{path}[{index}].function.")
        if "tools" in tool:
            _check_tools(tool["tools"], f"{path}[{index}].tools")


def _check_names(members: dict[str, Any], prefix: str) -> None:
    if _FAMILIAR.issuperset(members):
        return
    for key in members:
        # casefold, not lower: parsers that fold Unicode read "meſſages" as "messages" too.
        if key not in _GOVERNED and key.casefold() in _GOVERNED:
            raise UnreadableRequest(
                f"The key {_shown(key)} differs from {key.casefold()!r} only by case.",
                code="duplicate_key",
                param=prefix + _shown(key),
            )


def read_arguments(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """A call's arguments text: (arguments, None), or (None, why they cannot be read). Empty text is no arguments.

    Whole numbers are exact; see `exact`.
    """
    if not text:
        return {}, None
    try:
        body = text.encode()
        arguments = exact(body, loads(body))
    except UnreadableRequest as error:
        if error.code == "duplicate_key":
            return None, "its arguments name a key twice"
        return None, "its arguments are not valid JSON"
    except UnicodeEncodeError:
        return None, "its arguments are not valid Unicode"
    if type(arguments) is not dict:
        return None, "its arguments are not a JSON object"
    return arguments, None


class _Duplicate:
    """Stands in a document for an object that names a member twice; `path` leads from there to the key."""

    def __init__(self, path: str) -> None:
        self.path = path


def first_duplicate(body: bytes) -> str:
    """The path of a duplicate key in a valid body that is not too deep: `tools[0].function.name`."""
    document = json.loads(body, object_pairs_hook=_mark_duplicates, parse_int=str, parse_float=str)
    found = _find_duplicate(document)
    return "" if found is None else found.lstrip(".")


def _mark_duplicates(pairs: list[tuple[str, Any]]) -> Any:
    for key, value in pairs:
        found = _find_duplicate(value)
        if found is not None:
            return _Duplicate(f".{_shown(key)}{found}")
    members: dict[str, Any] = {}
    for key, _ in pairs:
        if key in members:
            return _Duplicate(f".{_shown(key)}")
        members[key] = None
    return members


def _find_duplicate(value: Any) -> str | None:
    if type(value) is _Duplicate:
        return value.path
    if type(value) is list:
        for index, item in enumerate(value):
            found = _find_duplicate(item)
            if found is not None:
                return f"[{index}]{found}"
    return None


def _duplicate(path: str) -> UnreadableRequest:
    return UnreadableRequest(f"The key {path} is given more than once.", code="duplicate_key", param=path)


def _too_many(things: str, limit: int) -> UnreadableRequest:
    return UnreadableRequest(f"The body has more than {limit:,} {things}; at most that many are allowed.")


def _too_deep() -> UnreadableRequest:
    return UnreadableRequest(f"The JSON is nested {DEPTH_LIMIT + 1} levels deep or more; the limit is {DEPTH_LIMIT}.")


def _shown(key: str) -> str:
    return key if len(key) <= 64 else key[:63] + "…"
