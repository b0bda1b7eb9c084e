"""Rounds of a call that a person has to approve, in the stateless era: the caller asks again until somebody decided.

`requestState` says since when it asks. It is the gateway's own, for one agent, server and tool, and no server sees it.
"""

import base64
import binascii
import hashlib
import hmac

OWN = "leuko-held."
"""What such a state starts with."""
SECONDS = 10.0
"""That one round waits at most: clients repeat themselves some ten times, and give one request less than 30 s."""
_TAG_BYTES = 16


class Rounds:
    """Makes and reads states.

    Args:
        secret: the deployment's root secret.
        seconds: that one round waits.
    """

    def __init__(self, secret: bytes, *, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._key = hmac.digest(secret, b"leuko/mcp-rounds/1\x01", hashlib.sha256)

    def state(self, since: float, agent_id: str, server: str, tool: str) -> str:
        """What the caller sends again; `since` in seconds since the epoch."""
        written = f"{since:.3f}".encode()
        return OWN + base64.urlsafe_b64encode(self._tag(written, agent_id, server, tool) + written).decode()

    def since(self, state: object, agent_id: str, server: str, tool: str) -> float | None:
        """When the first round was; None for what was not made for this call."""
        if not is_own(state):
            return None
        try:
            found = base64.urlsafe_b64decode(str(state).removeprefix(OWN))
        except (binascii.Error, ValueError):
            return None
        tag, written = found[:_TAG_BYTES], found[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(written, agent_id, server, tool)):
            return None
        return float(written)

    def _tag(self, written: bytes, agent_id: str, server: str, tool: str) -> bytes:
        said = b"\0".join([written, agent_id.encode(), server.encode(), tool.encode("utf-8", "surrogatepass")])
        return hmac.digest(self._key, said, hashlib.sha256)[:_TAG_BYTES]


def is_own(state: object) -> bool:
    return type(state) is str and state.startswith(OWN)
