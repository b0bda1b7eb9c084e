"""Actions: one normal form of every way in which people, models and clients write "read file".

`verb:noun` in lower case: the first word is the verb, the others, joined by `_`, the noun; one word alone is a verb
without a noun. Words end at every character that is no letter or digit, and where camel case begins a new one.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping

from gateway.policy.clauses import ActionPattern
from gateway.policy.globs import matches

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_PATTERN_WORD = re.compile(r"(?:[^\W_]|\*)+")
_PATTERN = re.compile(r"[\w *:./-]+")
_MEMBERS = ("action", "resource", "server")
_LONGEST = 200
_LONGEST_RESOURCE = 1000


def normal(text: str) -> str:
    """The normal form, `get:customer_by_phone` of `getCustomerByPhone`; empty where there is no word."""
    return _joined(_WORD.findall(_split_camel(text)))


def split_server(tool: str, servers: Collection[str]) -> tuple[str | None, str]:
    """The configured server that a client's prefix names, and the tool's own name; (None, tool) without one.

    Clients write `mcp__SERVER__tool`, `SERVER.tool` or `SERVER__tool`, and `_` for what a name may not hold.
    """
    for server in sorted(servers, key=len, reverse=True):  # `a__b` before `a`
        spelled = _spelled(server)
        for before, after in (("mcp__", "__"), ("", "__"), ("", ".")):
            end = len(before) + len(server)
            name = tool[end + len(after) :]
            framed = name and tool[: len(before)].lower() == before and tool.startswith(after, end)
            if framed and _spelled(tool[len(before) : end]) == spelled:
                return server, name
    return None, tool


def named_server(namespace: str, servers: Collection[str]) -> str:
    """The configured server that a namespace names as clients write it (`mcp__SERVER`), else the namespace itself."""
    spelled = _spelled(namespace)
    for server in sorted(servers, key=len, reverse=True):
        if spelled in (one := _spelled(server), f"{one}__", f"mcp__{one}", f"mcp__{one}__"):
            return server
    return namespace


def read_pattern(written: object, servers: Collection[str] = ()) -> ActionPattern:
    """A pattern as people write it: `"read *"`, or `{action: "read:file", resource: "s3://docs/*", server: files}`.

    `*` stands for any text; alone, or after the verb, also for nothing. Raises ValueError with what is wrong.
    """
    if isinstance(written, Mapping):
        return _of_mapping(written, servers)
    if not isinstance(written, str) or not 0 < len(written) <= _LONGEST:
        raise ValueError(f"is {written!r:.80}; allowed: an action such as `read:file`, up to {_LONGEST} characters")
    if _PATTERN.fullmatch(written) is None:
        raise ValueError(f"is {written!r:.80}; allowed in an action: letters, digits, spaces and any of _ - : . / *")
    if "://" in written:
        raise ValueError(f"is {written!r:.80}; write {{action: …, resource: …}} where a rule is about a resource")
    server, own = split_server(written, servers)
    verb, _, noun = _joined(_PATTERN_WORD.findall(_split_camel(own))).partition(":")
    if not verb:
        raise ValueError(f"is {written!r:.80}; allowed: an action such as `read:file`")
    if not noun and "*" in verb:
        if "*" in verb[:-1]:
            raise ValueError(f"is {written!r:.80}; write verb and noun, such as `delete:*` or `*:file`")
        noun = "*"
    return ActionPattern(verb, noun, server, text=written)


def fits(pattern: ActionPattern, action: str, resource: str, server: str | None) -> bool:
    """Whether a pattern is about an action in normal form. Actions ignore case, resources do not."""
    if pattern.server is not None and pattern.server != server:
        return False
    verb, _, noun = action.partition(":")
    return (
        _fits(pattern.verb, verb)
        and _fits(pattern.noun, noun)
        and (pattern.resource == "*" or matches(pattern.resource, resource))
    )


def _fits(pattern: str, word: str) -> bool:
    return pattern == "*" or pattern == word or ("*" in pattern and matches(pattern, word))


def _of_mapping(written: Mapping[object, object], servers: Collection[str]) -> ActionPattern:
    for key in written:
        if key not in _MEMBERS:
            raise ValueError(f"has {key!r:.80}; allowed: {', '.join(_MEMBERS)}")
    if "action" not in written:
        raise ValueError("has no `action`")
    found = read_pattern(written["action"] if isinstance(written["action"], str) else None, servers)
    resource, server = written.get("resource", "*"), written.get("server", found.server)
    if not isinstance(resource, str) or not 0 < len(resource) <= _LONGEST_RESOURCE:
        raise ValueError(f"has resource {resource!r:.80}; allowed: a pattern, up to {_LONGEST_RESOURCE} characters")
    if server is not None and (not isinstance(server, str) or not 0 < len(server) <= _LONGEST):
        raise ValueError(f"has server {server!r:.80}; allowed: the name of an MCP server")
    return ActionPattern(found.verb, found.noun, server, resource, found.text)


def _split_camel(text: str) -> str:
    if not text.isascii():
        # Full-width letters are the letters they look like; what is never seen separates no words.
        shown = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
        text = "".join(shown)
    return _CAMEL.sub("_", text)


def _joined(words: list[str]) -> str:
    verb = words[0].casefold() if words else ""
    return f"{verb}:{'_'.join(words[1:]).casefold()}" if len(words) > 1 else verb


def _spelled(server: str) -> str:
    return "".join(c if c.isalnum() or c == "-" else "_" for c in server.lower())
