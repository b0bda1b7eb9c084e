"""Which credential is sent to a provider. The gateway's own keys never are."""

import enum
import re
from collections.abc import Collection
from hmac import compare_digest
from typing import Literal

from gateway.model.errors import Refusal
from gateway.upstream.providers import Provider


class _Keep(enum.Enum):
    AS_RECEIVED = "the caller's own credential headers travel on as they came"


AS_RECEIVED: Literal[_Keep.AS_RECEIVED] = _Keep.AS_RECEIVED

Outgoing = tuple[bytes, bytes] | Literal[_Keep.AS_RECEIVED] | None
"""A header to set instead of the caller's, the caller's as received, or none at all."""

_OURS = re.compile(rb"(?<![0-9A-Za-z])(?:agk|adk|igk)_")
_HEADER = {"azure": (b"api-key", b""), "anthropic": (b"x-api-key", b"")}
_BEARER = (b"authorization", b"Bearer ")


def outgoing_credential(
    provider: Provider,
    *,
    default: bool,
    verified: bool,
    credential: bytes | None,
    secrets: Collection[bytes] = (),
) -> Outgoing:
    """Decide what the provider is shown.

    Args:
        default: whether `provider` is the default of the route's dialect (`Providers.default_for`).
        verified: whether the caller proved who it is with an agent key or a token of the configured issuer.
        credential: what the caller sent for the provider; None where it sent none, or only that proof itself.
        secrets: the gateway's own keys.

    A caller's credential goes to the default provider only, because it was issued by that one and no other may see it.
    Raises Refusal `invalid_api_key` for a key of ours that proved nothing, and for a caller that may not use the
    provider's own key.
    """
    if credential is not None:
        refuse_ours(credential, secrets)
        if default:
            return AS_RECEIVED
    if verified or (default and credential is None):
        return own_key(provider)
    setting = provider.api_key_env or "api_key_env"
    raise Refusal(
        "invalid_api_key",
        f"Provider `{provider.name}` is called with its own key (`{setting}`), for callers with an agent key only.",
    )


def own_key(provider: Provider) -> tuple[bytes, bytes] | None:
    """The header that carries the provider's configured key; None if it has none, as a local server may."""
    if provider.api_key is None:
        return None
    name, scheme = _HEADER.get(provider.dialect, _BEARER)
    return name, scheme + provider.api_key.encode()


def refuse_ours(credential: bytes, secrets: Collection[bytes]) -> None:
    """Raise Refusal `invalid_api_key` if this is, or is shaped like, a key that only the gateway may see."""
    ours = _OURS.search(credential) is not None
    for secret in secrets:
        ours |= compare_digest(credential, secret)
    if ours:
        raise Refusal("invalid_api_key", "This key is not one that is known here, and no provider may see it.")
