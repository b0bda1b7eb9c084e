"""note_results: where policy wants intents declared early, remembers which sessions are about to read results of tools.

Whoever has read what a tool brought may be somebody else's mouthpiece; see `intents.mint`.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.policy.engine import Engine
from gateway.store.errors import StoreUnavailable

_SESSION = b"x-agent-session"
_LONGEST = 200


class Readers(Protocol):
    """Which sessions have read results (`store.results_seen`)."""

    async def note(self, agent_id: str, session: str | None) -> None:
        """Raises StoreUnavailable."""
        ...


class NoteResults:
    """A gate; for calls to MCP servers once they were let through.

    Args:
        engine_of: the policies that an exchange is judged by.
    """

    def __init__(self, engine_of: Callable[[Exchange], Engine], readers: Readers) -> None:
        self._engine_of = engine_of
        self._readers = readers

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises Refusal where it cannot be remembered. Costs nothing without results, or where no policy asks."""
        ask, mcp, agent = exchange.ask, exchange.mcp, exchange.agent
        read = ask.results if ask is not None else mcp.released if mcp is not None else ()
        if not read or agent is None or not agent.verified:
            return None
        if self._engine_of(exchange).of(agent).minting.early is None:
            return None
        session = (exchange.request.header(_SESSION) or "")[:_LONGEST]
        return self.note(agent.agent_id, session or None)

    async def note(self, agent_id: str, session: str | None) -> None:
        """For whatever brings results in another way. Raises Refusal."""
        try:
            await self._readers.note(agent_id, session)
        except StoreUnavailable:
            message = "That a tool's result was read cannot be remembered while the gateway cannot reach its state."
            raise Refusal("state_unavailable", message, retry_after=1) from None
