"""Everything that is known of who calls, and how operators change it.

Each change is written before it is announced, and has been applied by every live replica when its method returns, or
after two seconds: by then a silent replica has lost its lease.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.store.agent_keys import AgentKey, AgentKeys
from gateway.store.agent_rules import KIND as AGENT
from gateway.store.agent_rules import AgentRules, Changes
from gateway.store.connection import Connection
from gateway.store.registry import Attributes, Registry
from gateway.store.verified import VerifiedAgents

KEY = "key"
_WITHIN = 2.0


class Announcements(Changes, Protocol):
    """`Control`, as far as it is used here."""

    async def acknowledged(self, epoch: int, within: float) -> list[str]: ...


class Identities:
    """Every method raises StoreUnavailable where Redis does not answer.

    Args:
        control: tells every replica of a change, and remembers it.
    """

    @classmethod
    def over(
        cls,
        connection: Connection,
        control: Announcements,
        root: bytes,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        choose: Callable[[str], str],
        random_bytes: Callable[[int], bytes],
    ) -> "Identities":
        """What is kept in one Redis under one root secret. The other arguments are those of the parts."""
        keys = AgentKeys(connection, root, clock=clock, choose=choose)
        registry = Registry(connection, clock=clock, random_bytes=random_bytes)
        verified = VerifiedAgents(keys, registry, clock=clock, monotonic=monotonic)
        return cls(control, keys=keys, registry=registry, rules=AgentRules(control), verified=verified)

    def __init__(
        self,
        control: Announcements,
        *,
        keys: AgentKeys,
        registry: Registry,
        rules: AgentRules,
        verified: VerifiedAgents,
    ) -> None:
        self._control = control
        self.keys = keys
        self.registry = registry
        self.rules = rules
        self.verified = verified
        control.on(KEY, verified.key_changed)
        control.on(AGENT, verified.agent_changed)

    async def register(self, given: Attributes) -> tuple[str, str]:
        """A new verified agent and its first key: (agent id, key, shown this one time). Raises NameTaken."""
        agent_id = await self.registry.make(given)
        _, shown = await self.keys.make(agent_id)
        return agent_id, shown

    async def end_key(self, agent_id: str, key_id: str, at: float | None = None) -> AgentKey | None:
        """Let a key end at a time (seconds since the epoch) or now; None if the agent has no such key."""
        ended = await self.keys.end(agent_id, key_id, at)
        if ended is not None:
            over = at is None or ended.expires_at is None
            await self._tell(KEY, key_id, {"agent_id": agent_id, "revoked": over, "expires_at": ended.expires_at})
        return ended

    async def change(self, agent_id: str, attributes: Mapping[str, str | None], *, active: bool | None = None) -> bool:
        """Change what an operator says of an agent; False without such an agent. Raises NameTaken."""
        fields = dict(attributes)
        if active is not None:
            fields["inactive"] = None if active else "1"
        if not await self.registry.change(agent_id, fields):
            return False
        await self._acknowledged(await self.rules.change(agent_id, **({} if active is None else {"active": active})))
        return True

    async def delete(self, agent_id: str) -> None:
        """End an agent's keys and forget it. What operators decided about its id still holds if it comes again."""
        for key in await self.keys.all(agent_id):
            await self.end_key(agent_id, key.key_id)
        if await self.registry.delete(agent_id):  # else there is nobody to be told about, and what is told is kept
            await self._acknowledged(await self.rules.change(agent_id))

    async def merge(self, agent_id: str, into: str) -> None:
        """From now on who would be `agent_id` is `into`."""
        await self._acknowledged(await self.rules.change(agent_id, into=into))

    async def split(self, agent_id: str) -> list[str]:
        """Undo the merges an agent takes part in, and if there are none tell apart more readily what comes with its
        fingerprint. The ids that stand for themselves again."""
        alone = [agent_id] if self.rules.of(agent_id).into is not None else []
        alone += self.rules.merged_into(agent_id)
        for one in alone:
            await self._acknowledged(await self.rules.change(one, into=None))
        if not alone:
            await self._acknowledged(await self.rules.change(agent_id, apart=True))
        return alone

    async def _tell(self, kind: str, subject: str, data: dict[str, Any]) -> None:
        await self._acknowledged(await self._control.change(kind, subject, data))

    async def _acknowledged(self, epoch: int) -> None:
        await self._control.acknowledged(epoch, _WITHIN)
