"""Agents that prove who they are, remembered so that their requests need no look-up.

What is remembered is asked for again after a while, and dropped at once when it is changed anywhere. Without Redis it
stays good for some minutes: a last good state beats an outage, and who is unknown is told to come again, not that the
key is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gateway.identity.derived import credential_id
from gateway.identity.issued_key import issued_key_id
from gateway.model.agent import Agent, Evidence
from gateway.model.bounded import make_room
from gateway.store.agent_keys import PREFIX, AgentKey, AgentKeys
from gateway.store.errors import StoreUnavailable
from gateway.store.registry import Registry

FRESH = 30.0
"""Seconds until a remembered agent is asked for again: the bound should word of a change get lost."""

STALE = 300.0
"""Seconds for which it is good while Redis does not answer."""

_MOST = 10_000
_PROOF = (Evidence("agent_key", 1.0),)


@dataclass(slots=True)
class _Known:
    agent: Agent
    expires_at: float | None
    read_at: float


class VerifiedAgents:
    """The agent of a key, or of a token's subject.

    Args:
        clock: seconds since the epoch. monotonic: seconds.
    """

    def __init__(
        self, keys: AgentKeys, registry: Registry, *, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._registry = registry
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._digests: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._changes = 0

    async def of_key(self, shown: str) -> Agent | None:
        """None for a key that is mistyped (which costs no look-up), unknown, revoked or expired.

        Raises StoreUnavailable: whether the key is good cannot be said.
        """
        # A key that was good a moment ago is not digested again. Only good ones are kept: guesses push nobody out.
        digest = self._digests.get(shown) or self._keys.digest(shown)
        known = self._known.get(digest)
        if known is None or self._age(known) > FRESH:
            key_id = issued_key_id(shown, PREFIX)
            if key_id is None or key_id in self._revoked:
                return None
            known = await self._read(digest, known, lambda: self._of_digest(digest, "…" + shown[-4:]))
            self._keep_digest(shown, digest if known is not None else None)
        if known is None or (known.expires_at is not None and known.expires_at <= self._clock()):
            return None
        return known.agent

    async def of_token(self, agent: Agent) -> Agent:
        """The agent that a token named, with what operators gave it. Raises StoreUnavailable."""
        known = self._known.get(agent.agent_id)
        if known is None or self._age(known) > FRESH:
            known = await self._read(agent.agent_id, known, lambda: self._with_attributes(agent, None))
        assert known is not None
        return replace(
            known.agent,
            credential=agent.credential,
            credential_id=agent.credential_id,
            principal=agent.principal,
        )

    def key_changed(self, key_id: str, data: dict[str, Any], epoch: int) -> None:
        """A key was revoked, or will end sooner: from now on, or when Redis is asked again."""
        if data.get("revoked"):
            self._revoked.add(key_id)
        self._forget(lambda agent: agent.key_id == key_id)

    def agent_changed(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        """An operator changed something of this agent."""
        self._forget(lambda agent: agent.agent_id == agent_id)

    def _keep_digest(self, shown: str, digest: str | None) -> None:
        self._digests.pop(shown, None)
        if digest is not None:
            if len(self._digests) >= _MOST:
                self._digests.clear()
            self._digests[shown] = digest

    def _forget(self, concerned: Callable[[Agent], bool]) -> None:
        self._changes += 1
        self._digests.clear()  # no key is kept for longer than it is good
        for name in [name for name, known in self._known.items() if concerned(known.agent)]:
            del self._known[name]

    async def _read(self, name: str, known: _Known | None, read: Callable[[], Any]) -> _Known | None:
        try:
            while True:
                changes = self._changes
                found: _Known | None = await read()
                if changes == self._changes:
                    break  # else what was read may be from before the change
        except StoreUnavailable:
            if known is None or self._age(known) > STALE:
                raise
            return known
        self._known.pop(name, None)
        if found is not None:
            make_room(self._known, _MOST)
            self._known[name] = found
        return found

    async def _of_digest(self, digest: str, hint: str) -> _Known | None:
        key: AgentKey | None = await self._keys.find(digest)
        if key is None:
            return None
        agent = Agent(
            key.agent_id,
            verified=True,
            credential=hint,
            credential_id=credential_id(bytes.fromhex(digest)),
            key_id=key.key_id,
            evidence=_PROOF,
        )
        return await self._with_attributes(agent, key.expires_at)

    async def _with_attributes(self, agent: Agent, expires_at: float | None) -> _Known:
        given = await self._registry.attributes(agent.agent_id)
        agent = replace(
            agent, name=given.name or agent.name, owner_team=given.owner_team, environment=given.environment
        )
        return _Known(agent, expires_at, self._monotonic())

    def _age(self, known: _Known) -> float:
        return self._monotonic() - known.read_at
