"""note_prompts: keeps the system prompts that agents come with, as far as a provider has answered them.

A gate before anything changes the request, and an observer. Only what this process has not noted lately is held on to,
and only until the exchange is over.
"""

from typing import Protocol

from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.profile import Profile
from gateway.store.prompts import LONGEST

_WAITING = 2000


class Prompts(Protocol):
    """Where prompts are kept; see `store.prompts`."""

    def knows(self, agent_id: str, prompt_hash: str) -> bool: ...

    def note(self, agent_id: str, prompt_hash: str, text: str) -> None: ...


class NotePrompts:
    """`gate` and `observe`."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts
        self._waiting: dict[str, tuple[str, str, str]] = {}

    def gate(self, exchange: Exchange) -> None:
        agent, profile = exchange.agent, exchange.profile
        if agent is None or not isinstance(profile, Profile) or profile.prompt_hash is None or profile.history is None:
            return
        if not self._prompts.knows(agent.agent_id, profile.prompt_hash) and len(self._waiting) < _WAITING:
            system = profile.history.system
            if sum(map(len, system)) < LONGEST:  # longer ones are not kept
                self._waiting[exchange.id] = agent.agent_id, profile.prompt_hash, "\n".join(system)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Whoever makes up agents and prompts fills no memory: a provider must have taken them."""
        found = self._waiting.pop(exchange.id, None) if self._waiting else None
        if found is not None and exchange.first_byte_at is not None and 200 <= exchange.status < 300:
            self._prompts.note(*found)
