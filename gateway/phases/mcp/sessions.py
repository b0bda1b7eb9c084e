"""Ids of sessions with MCP servers, and of events: whoever holds one can use it only as the agent it was given to.

An id is the server's own, sealed with the agent and the name of the server. So every replica can check it, and there is
nothing to be kept, lost or filled up: the server alone says whether a session still is.
"""

from gateway.phases.mcp.sealing import Sealing

_EVENT = "\0event"


class Sessions:
    """Makes and reads the ids that callers see.

    Args:
        secret: the deployment's root secret.
    """

    def __init__(self, secret: bytes) -> None:
        self._sealing = Sealing(secret, b"leuko/mcp-session/1\x01")

    def seal(self, server: str, agent_id: str, session: bytes) -> bytes:
        """What the agent is given for the server's id of the session."""
        return self._sealing.seal((server, agent_id), session).encode()

    def open(self, server: str, agent_id: str, sealed: bytes) -> bytes | None:
        """The server's id; None for what was never given to this agent for this server."""
        found = self._sealing.open((server, agent_id), sealed.decode("latin-1"))
        return None if found is None else found[1] or None

    def seal_event(self, server: str, agent_id: str, event: bytes) -> bytes:
        """The same for the id of an event, after which a stream is taken up again. Servers may keep the events of all
        sessions together, and cannot know whose is whose: every agent comes to them with one credential."""
        return self.seal(server + _EVENT, agent_id, event)

    def open_event(self, server: str, agent_id: str, sealed: bytes) -> bytes | None:
        """The server's id of the event; None for what was never given to this agent."""
        return self.open(server + _EVENT, agent_id, sealed)
