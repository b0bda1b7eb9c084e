"""Which ids callers without a proof have behind each credential: at most 50, all others share one.

An id is entered after the first answer that worked, so that whoever makes up credentials and ids fills no memory. Until
then it is used, as far as this process knows that there is room. Without Redis what this process knows has to do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.model.agent import Agent, Evidence
from gateway.model.bounded import make_room
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

MOST_IDS = 50
"""Ids of one credential."""

_FULL_SECONDS = 30.0
_KNOWN_LIMIT = 30_000
_CREDENTIALS_LIMIT = 10_000
_WAITING_LIMIT = 2_000


class Credentials:
    """Settles ids (`settle`), and hands sightings on once it is known whose they are (`seen`, `run`).

    Args:
        note: told of every exchange, as `seen` is (`Agents.seen`).
        begun: told of exchanges that a provider begins to answer, as `begun` is (`Agents.begun`).
        shared: the id that all further agents of a credential have.
        clock: monotonic seconds.
        keep_seconds: how long a credential is remembered that nobody uses.
    """

    def __init__(
        self,
        connection: Connection,
        note: Callable[..., None],
        shared: Callable[[Agent], str],
        *,
        clock: Callable[[], float],
        keep_seconds: int,
        begun: Callable[..., None] = lambda agent, **rest: None,
        interval: float = 0.02,
    ) -> None:
        self._connection = connection
        self._note = note
        self._begun = begun
        self._shared = shared
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._known: dict[str, None] = {}
        self._trying: dict[str, set[str]] = {}
        self._full: dict[str, tuple[float, frozenset[str]]] = {}
        self._waiting: list[tuple[Agent, Vitals | None, dict[str, Any]]] = []
        self._waiting_ids: set[str] = set()
        self._entering = WriteBehind(self.flush, interval)

    async def settle(self, agent: Agent) -> Agent:
        """The agent itself, or the shared one of its credential. One look-up for an id that is new here."""
        agent_id, credential = agent.agent_id, agent.credential_id
        if agent_id in self._known:
            return agent
        full = self._full.get(credential)
        if full is not None and self._clock() - full[0] < _FULL_SECONDS:
            return agent if agent_id in full[1] else self._sharing(agent)
        count = 0
        try:
            key = self._connection.keys.credential(credential)
            member, count, *ids = await self._connection.script("read_id", [key], [agent_id, MOST_IDS])
        except StoreUnavailable:
            pass
        else:
            if member:
                self._know(agent_id)
                return agent
            if ids:
                make_room(self._full, _CREDENTIALS_LIMIT)
                self._full[credential] = self._clock(), frozenset(one.decode() for one in ids)
                return self._sharing(agent)
        return agent if self._try(agent_id, credential, count) else self._sharing(agent)

    def begun(self, agent: Agent, **rest: Any) -> None:
        """Note, in memory, that a provider begins to answer an exchange with 2xx."""
        if agent.verified or agent.agent_id in self._known:
            self._begun(agent, **rest)
        elif len(self._waiting) < _WAITING_LIMIT // 2:  # the rest of the room is for exchanges that count
            self._wait(agent, None, rest)

    def seen(
        self,
        agent: Agent,
        vitals: Vitals,
        *,
        client: str | None,
        address: str | None = None,
        tools: tuple[str, ...] = (),
        ok: bool,
    ) -> None:
        """Note one exchange, in memory; `ok`: the provider answered with 2xx."""
        if agent.verified or agent.agent_id in self._known:
            return self._note(agent, vitals, client=client, address=address, tools=tools, ok=ok)
        rest: dict[str, Any] = {"client": client, "address": address, "tools": tools, "ok": ok}
        room = len(self._waiting) < _WAITING_LIMIT
        # What failed is of no agent yet, unless one that worked is being entered: then it counts after that.
        if not ok and not (room and agent.agent_id in self._waiting_ids):
            self._tried(agent)
            return self._note(agent, vitals, **rest)
        if not room:
            return self._hand_on(self._moved(agent), vitals, rest)
        self._wait(agent, vitals, rest)

    def _wait(self, agent: Agent, vitals: Vitals | None, rest: dict[str, Any]) -> None:
        self._waiting.append((agent, vitals, rest))
        self._waiting_ids.add(agent.agent_id)
        self._entering.wake()

    async def run(self) -> None:
        """Enter ids while there are new ones, until cancelled."""
        try:
            await self._entering.run()
        finally:
            # Nobody is left to ask: they are counted as what they say they are, and asked about next time.
            waiting, self._waiting = self._waiting, []
            for agent, vitals, rest in waiting:
                self._hand_on(agent, vitals, rest)

    async def flush(self) -> bool:
        """Enter what waits now. False if Redis does not answer: it goes on waiting."""
        waiting = list(self._waiting)
        agents = {agent.agent_id: agent for agent, _, _ in waiting}
        keys = self._connection.keys
        calls: list[tuple[list[str], list[Argument]]] = [
            ([keys.credential(agent.credential_id)], [agent.agent_id, MOST_IDS, self._keep_seconds])
            for agent in agents.values()
        ]
        replies = dict(zip(agents, await self._connection.scripts("keep_id", calls), strict=True))
        del self._waiting[: len(waiting)]
        left = []
        for agent, vitals, rest in waiting:
            reply = replies[agent.agent_id]
            if isinstance(reply, StoreUnavailable):
                left.append((agent, vitals, rest))
                continue
            if isinstance(reply, StoreError) or not reply[0]:
                agent = self._moved(agent)
            else:
                self._tried(agent)
                self._know(agent.agent_id)
            self._hand_on(agent, vitals, rest)
        self._waiting[:0] = left
        self._waiting_ids = {agent.agent_id for agent, _, _ in self._waiting}
        return not left

    def _hand_on(self, agent: Agent, vitals: Vitals | None, rest: dict[str, Any]) -> None:
        if vitals is None:
            return self._begun(agent, **rest)
        if vitals.agent_id != agent.agent_id:
            vitals = replace(vitals, agent_id=agent.agent_id)
        self._note(agent, vitals, **rest)

    def _try(self, agent_id: str, credential: str, count: int) -> bool:
        """Whether there may be room for an id that is not entered yet."""
        trying = self._trying.get(credential)
        if trying is None:
            make_room(self._trying, _CREDENTIALS_LIMIT)
            trying = self._trying[credential] = set()
        if agent_id not in trying and count + len(trying) >= MOST_IDS:
            return False
        trying.add(agent_id)
        return True

    def _tried(self, agent: Agent) -> None:
        trying = self._trying.get(agent.credential_id)
        if trying is not None:
            trying.discard(agent.agent_id)
            if not trying:
                del self._trying[agent.credential_id]

    def _know(self, agent_id: str) -> None:
        make_room(self._known, _KNOWN_LIMIT)
        self._known[agent_id] = None

    def _moved(self, agent: Agent) -> Agent:
        self._tried(agent)
        return self._sharing(agent)

    def _sharing(self, agent: Agent) -> Agent:
        shared = self._shared(agent)
        self._know(shared)
        return replace(agent, agent_id=shared, evidence=(agent.evidence[0], Evidence("too_many_ids", 0.1)))
