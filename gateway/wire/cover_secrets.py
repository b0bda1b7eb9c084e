"""Covers secrets in what a request tells a model; signatures and what only a provider can read stay."""

from collections.abc import Callable
from typing import Any

from gateway.wire.edit import replace_strings

_TOLD = ("messages", "input", "prompt", "system", "instructions")
_LEFT_ALONE = frozenset({"encrypted_content", "signature", "thinking"})
"""Members that a provider takes back only as it wrote them."""


def cover_secrets(body: bytes, document: dict[str, Any], cover: Callable[[str], str]) -> bytes:
    """The request with every text of its messages covered; the same object where nothing had to be.

    Args:
        document: `body` as it was read.
        cover: the text without secrets; the very same object where it has none.
    """
    for member in _TOLD:
        if _has_secret(document.get(member), cover):
            body = replace_strings(body, (member,), cover, _LEFT_ALONE)
    return body


def _has_secret(value: Any, cover: Callable[[str], str]) -> bool:
    if isinstance(value, str):
        return cover(value) is not value
    if isinstance(value, list):
        return any(_has_secret(one, cover) for one in value)
    if isinstance(value, dict):
        return any(_has_secret(one, cover) for key, one in value.items() if key not in _LEFT_ALONE)
    return False
