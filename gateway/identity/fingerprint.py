"""Derives the id of an agent without an agent key: a keyed hash of its credential and of its `X-Agent-Id` header."""

import hashlib
import hmac
from base64 import b32encode

from gateway.model.agent import Agent
from gateway.model.errors import Refusal

_HINT_LIMIT = 128
_CACHE_LIMIT = 10_000


class Fingerprinter:
    """Same credential and same `X-Agent-Id`, same agent id, on every replica that shares the secret.

    Args:
        secret: the deployment's root secret; the hash's key is derived from it (RFC 5869, HKDF-Expand with one block).
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"leuko/agent-fingerprint/1\x01", hashlib.sha256)
        self._known: dict[tuple[bytes | None, bytes | None], Agent] = {}

    def agent(self, credential: bytes | None, hint: bytes | None) -> Agent:
        """The agent behind a credential and its `X-Agent-Id`.

        Raises Refusal `invalid_request` for a hint longer than 128 bytes or outside ASCII.
        """
        agent = self._known.get((credential, hint))
        if agent is None:
            if len(self._known) >= _CACHE_LIMIT:  # keyed by what callers send: must not grow with them
                self._known.clear()
            agent = self._known[credential, hint] = self._name(credential, hint)
        return agent

    def _name(self, credential: bytes | None, hint: bytes | None) -> Agent:
        if hint is not None and (len(hint) > _HINT_LIMIT or not hint.isascii()):
            raise Refusal("invalid_request", f"`X-Agent-Id` is longer than {_HINT_LIMIT} bytes or not ASCII.")
        proof = b"\x00".join((len(credential or b"").to_bytes(4, "big"), credential or b"", hint or b""))
        digest = hmac.digest(self._key, proof, hashlib.sha256)
        shown = None if not credential or len(credential) < 16 else "…" + credential[-4:].decode("ascii", "replace")
        return Agent("agt_" + b32encode(digest[:15]).decode("ascii"), credential=shown)
