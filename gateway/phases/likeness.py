"""likeness: agents that look like a quarantined one, though their credential is another.

A gate, and an observer that tells once a provider has answered. Looks only at agents without a proof that were not
there before the other was blocked: honest neighbours share addresses, clients and even prompts. What a blocked agent
looked like is read a moment after it was blocked: its latest prompts, tools and address.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from gateway.model.agent import NO_CREDENTIAL, Agent
from gateway.model.exchange import Exchange
from gateway.model.lifecycle import Life
from gateway.model.vitals import Vitals
from gateway.phases.profile import Profile
from gateway.store.agents import AgentRecord
from gateway.store.errors import StoreUnavailable

_LATEST = 20
_MOST = 10_000
_AGAIN = 1.0

_Shape = tuple[str, str | None, str]
"""Hashes of prompt and tools, and the address."""


class Quarantine(Protocol):
    """See `store.quarantine`."""

    blocked: dict[str, Life]
    on_blocked: list[Callable[[Life], None]]

    async def existed(self, agent_id: str, before: float) -> bool: ...


class Agents(Protocol):
    async def get(self, agent_id: str) -> AgentRecord | None: ...


class VitalsLog(Protocol):
    async def latest(self, agent_id: str, limit: int) -> tuple[Sequence[Vitals], str | None]: ...


class Likeness:
    """`gate`, `observe`, `run`.

    Args:
        told: of an agent that is like a blocked one, in memory.
    """

    def __init__(
        self,
        quarantine: Quarantine,
        agents: Agents,
        vitals: VitalsLog,
        told: Callable[[Exchange, Agent, Life], object],
    ) -> None:
        self._quarantine = quarantine
        self._agents = agents
        self._vitals = vitals
        self._told = told
        self._shapes: dict[_Shape, set[str]] = {}
        self._unread: dict[str, None] = {}
        self._waiting: dict[str, Life] = {}
        self._some = asyncio.Event()
        quarantine.on_blocked.append(self._blocked)

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Waits for Redis only where a request looks like a blocked agent's."""
        if not self._shapes:
            return None
        agent, profile = exchange.agent, exchange.profile
        if agent is None or agent.verified or not isinstance(profile, Profile) or profile.prompt_hash is None:
            return None
        like = self._shapes.get((profile.prompt_hash, profile.tools_hash, exchange.request.client))
        return None if like is None else self._compare(exchange, agent, like)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Only who gets answers exists, so that something can be said about it."""
        life = self._waiting.pop(exchange.id, None) if self._waiting else None
        if life is None or exchange.agent is None or exchange.first_byte_at is None:
            return
        if 200 <= exchange.status < 300:
            self._told(exchange, exchange.agent, life)

    async def run(self) -> None:
        """Read what blocked agents look like, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                await self.flush()
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN)
                self._some.set()

    async def flush(self) -> None:
        """Read it now. Raises StoreUnavailable: what is left is read the next time."""
        for agent_id in list(self._unread):
            if agent_id in self._quarantine.blocked:
                await self._read(agent_id)
            self._unread.pop(agent_id, None)

    def _blocked(self, life: Life) -> None:
        if len(self._unread) < _MOST:
            self._unread[life.agent_id] = None
            self._some.set()

    async def _read(self, agent_id: str) -> None:
        record = await self._agents.get(agent_id)
        if record is None or record.verified or record.address is None:
            return  # who has a proof to lose is told by it
        rows, _ = await self._vitals.latest(agent_id, _LATEST)
        for row in rows:
            if row.prompt_hash is not None and len(self._shapes) < _MOST:
                self._shapes.setdefault((row.prompt_hash, row.tools_hash, record.address), set()).add(agent_id)

    async def _compare(self, exchange: Exchange, agent: Agent, like: set[str]) -> None:
        for agent_id in list(like):
            life = self._quarantine.blocked.get(agent_id)
            if life is None:
                like.discard(agent_id)
            elif agent_id != agent.agent_id and _is_other(life.credential_id, agent.credential_id):
                with suppress(StoreUnavailable):  # nothing can be said then
                    if not await self._quarantine.existed(agent.agent_id, life.blocked_at):
                        self._waiting[exchange.id] = life  # taken out when the exchange is settled
                        return
        if not like:
            self._forget(like)

    def _forget(self, like: set[str]) -> None:
        for shape in [shape for shape, agents in self._shapes.items() if agents is like]:
            del self._shapes[shape]


def _is_other(blocked: str, shown: str) -> bool:
    """Who comes with the credential of a blocked agent is not told by likeness."""
    return blocked != shown or shown == NO_CREDENTIAL
