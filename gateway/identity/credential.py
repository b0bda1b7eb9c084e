"""The credential a request carries, wherever the SDKs put it."""

from collections.abc import Iterable

from gateway.model.errors import Refusal

HEADERS = (b"authorization", b"x-api-key", b"api-key")
"""OpenAI and anthropic-python, Anthropic, Azure."""
_NAMES = "`Authorization`, `x-api-key` and `api-key`"


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The one credential of a request, without its scheme; None without any.

    Raises Refusal `invalid_request` where two headers hold different credentials, also two of one name: which of them
    counts would depend on who reads.
    """
    found: bytes | None = None
    for name, value in headers:
        if name not in HEADERS or not value:
            continue
        if name == b"authorization" and value[:6].lower() == b"bearer" and value[6:7] in (b" ", b"\t"):
            value = value[7:]  # some servers split at any white space: a tab must make no other caller
        value = value.strip()
        if found is not None and found != value:
            raise Refusal("invalid_request", "Two different credentials; send only one of " + _NAMES + ".")
        found = value
    return found or None
