"""Whether the headers of an MCP request say what its body says. What is judged is the body; others route by headers."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.wire.mcp import (
    BATCH_VERSION,
    HANDSHAKE_VERSIONS,
    HEADER_MISMATCH,
    INVALID_REQUEST,
    STATELESS_VERSIONS,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
    Era,
    MCPRefusal,
)
from gateway.wire.mcp_messages import Body, Message

VERSION = b"mcp-protocol-version"
METHOD = b"mcp-method"
NAME = b"mcp-name"

_ONCE = frozenset({VERSION, METHOD, NAME})
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)


def era_of(headers: Iterable[tuple[bytes, bytes]], fields: Mapping[bytes, bytes]) -> Era:
    """The era that the head of a request names. Raises MCPRefusal -32020, -32022.

    Args:
        headers: as received, in lower case; `fields` the same by name.
    """
    seen = set()
    for name, _ in headers:
        if name in _ONCE:
            if name in seen:
                raise _mismatch(name, "appears more than once")
            seen.add(name)
    given = fields.get(VERSION)
    version = None if given is None else given.decode("latin-1")
    if version is None or version in HANDSHAKE_VERSIONS:
        return Era.HANDSHAKE
    if version in STATELESS_VERSIONS:
        return Era.STATELESS
    raise MCPRefusal(
        UNSUPPORTED_VERSION,
        "Unsupported protocol version",
        supported=list(STATELESS_VERSIONS),
        requested=version[:100],
    )


def check_agreement(era: Era, fields: Mapping[bytes, bytes], body: Body) -> None:
    """Raises MCPRefusal -32020 where headers and body differ, -32600 for a batch where there is none."""
    if body.batch:
        if era is Era.STATELESS or fields.get(VERSION, BATCH_VERSION.encode()).decode("latin-1") != BATCH_VERSION:
            raise MCPRefusal(INVALID_REQUEST, f"Batches exist in {BATCH_VERSION} only; send one message.")
        for name in (METHOD, NAME):
            if name in fields:
                raise _mismatch(name, "cannot name what a batch holds")
    for message in body.messages:
        _check_version(era, fields, message)
        if not body.batch:
            # A stateless request without the keys it must have is told so by the server, which looks at those first.
            strict = era is Era.STATELESS and message.is_request and VERSION_KEY in message.meta
            _check_method(fields, message, strict)
            _check_name(fields, message, strict)


def _check_version(era: Era, fields: Mapping[bytes, bytes], message: Message) -> None:
    version = message.meta.get(VERSION_KEY)
    if version is None:
        return
    if era is Era.HANDSHAKE and version not in STATELESS_VERSIONS and VERSION not in fields:
        return  # an older client may say so without a header
    if fields.get(VERSION, b"").decode("latin-1") != version:
        raise _mismatch(VERSION, "differs from the protocol version in the body")


def _check_method(fields: Mapping[bytes, bytes], message: Message, strict: bool) -> None:
    given = fields.get(METHOD)
    if (given is not None or strict) and (given or b"").decode("latin-1") != message.method:
        raise _mismatch(METHOD, "differs from the method in the body")


def _check_name(fields: Mapping[bytes, bytes], message: Message, strict: bool) -> None:
    member = _NAMED_BY.get(message.method or "")
    named: Any = None if member is None else message.params.get(member)
    given = fields.get(NAME)
    if named is not None and (given is not None or strict) and decoded(given) != named:
        raise _mismatch(NAME, f"differs from `params.{member}` in the body")


def decoded(header: bytes | None) -> str | None:
    """What a header stands for: as it is, or UTF-8 in base64 as `=?base64?…?=`; None for what is neither."""
    if header is None:
        return None
    text = header.decode("latin-1")
    found = _ENCODED.fullmatch(text)
    if found is None:
        return text
    try:
        plain = base64.b64decode(found[1], validate=True)
        return plain.decode() if base64.b64encode(plain).decode() == found[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _mismatch(name: bytes, what: str) -> MCPRefusal:
    return MCPRefusal(HEADER_MISMATCH, f"The header {name.decode()} {what}.")
