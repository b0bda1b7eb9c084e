"""Ids of sessions with MCP servers, and of events: whoever holds one can use it only as the agent it was given to.

An id is the server's own, sealed with the agent and the name of the server. So every replica can check it, and there is
nothing to be kept, lost or filled up: the server alone says whether a session still is.
"""

import base64
import binascii
import hashlib
import hmac

_TAG_BYTES = 16
_EVENT = "\0event"


class Sessions:
    """Makes and reads the ids that callers see.

    Args:
        secret: the deployment's root secret.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"leuko/mcp-session/1\x01", hashlib.sha256)

    def seal(self, server: str, agent_id: str, session: bytes) -> bytes:
        """What the agent is given for the server's id of the session."""
        return base64.urlsafe_b64encode(self._tag(server, agent_id, session) + session).rstrip(b"=")

    def open(self, server: str, agent_id: str, sealed: bytes) -> bytes | None:
        """The server's id; None for what was never given to this agent for this server."""
        try:
            found = base64.urlsafe_b64decode(sealed + b"=" * (-len(sealed) % 4))
        except binascii.Error:
            return None
        if base64.urlsafe_b64encode(found).rstrip(b"=") != sealed:
            return None  # another way to write the same, which nobody was given
        tag, session = found[:_TAG_BYTES], found[_TAG_BYTES:]
        return session if session and hmac.compare_digest(tag, self._tag(server, agent_id, session)) else None

    def seal_event(self, server: str, agent_id: str, event: bytes) -> bytes:
        """The same for the id of an event, after which a stream is taken up again. Servers may keep the events of all
        sessions together, and cannot know whose is whose: every agent comes to them with one credential."""
        return self.seal(server + _EVENT, agent_id, event)

    def open_event(self, server: str, agent_id: str, sealed: bytes) -> bytes | None:
        """The server's id of the event; None for what was never given to this agent."""
        return self.open(server + _EVENT, agent_id, sealed)

    def _tag(self, server: str, agent_id: str, session: bytes) -> bytes:
        said = b"\0".join([server.encode(), agent_id.encode(), session])  # names hold no NUL
        return hmac.digest(self._key, said, hashlib.sha256)[:_TAG_BYTES]
