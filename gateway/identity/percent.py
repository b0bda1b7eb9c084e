"""Percent-encoded text, read as a server would that decodes it again and again (RFC 3986 section 2.4 forbids it)."""

from urllib.parse import unquote_to_bytes

_ROUNDS = 8
"""Nobody encodes so often by mistake, and each round reads the whole text."""


def fully_decoded(text: bytes) -> bytes | None:
    """The text once nothing in it is encoded any more; None where it is encoded more than 8 times over."""
    for _ in range(_ROUNDS + 1):
        plain = unquote_to_bytes(text) if b"%" in text else text
        if plain == text:
            return text
        text = plain
    return None
