"""Covers secrets in what a request tells a model; signatures and what only a provider can read stay."""

from collections.abc import Callable, Collection
from typing import Any

from gateway.wire.edit import replace_strings

_TOLD = ("messages", "input", "prompt", "system", "instructions")


def cover_secrets(
    body: bytes, document: dict[str, Any], cover: Callable[[str], str], left_alone: Collection[str]
) -> bytes:
    """The request with every text of its messages covered; the same object where nothing had to be.

    Args:
        document: `body` as it was read.
        cover: the text without secrets; the very same object where it has none.
        left_alone: names of members that a provider takes back only as it wrote them.
    """
    for member in _TOLD:
        if _has_secret(document.get(member), cover, left_alone):
            body = replace_strings(body, (member,), cover, left_alone)
    return body


def _has_secret(value: Any, cover: Callable[[str], str], left_alone: Collection[str]) -> bool:
    if isinstance(value, str):
        return cover(value) is not value
    if isinstance(value, list):
        return any(_has_secret(one, cover, left_alone) for one in value)
    if isinstance(value, dict):
        return any(_has_secret(one, cover, left_alone) for key, one in value.items() if key not in left_alone)
    return False
