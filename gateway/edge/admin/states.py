"""Where agents are in their lifecycle, and how far off: what the control state says, or the records of the watchers."""

import logging
from collections.abc import Iterable, Mapping

from gateway.immune.record import Summary
from gateway.model.lifecycle import Life, State
from gateway.model.value import value
from gateway.store.errors import StoreUnavailable
from gateway.store.prescriptions import Case, Prescriptions
from gateway.store.quarantine import Quarantine
from gateway.store.watched_agents import WatchedAgents

log = logging.getLogger(__name__)


@value
class Condition:
    """`deviation` in σ of the latest exchange; None while nothing is known of the agent. `remedies`: in force."""

    state: State = "INITIALIZING"
    deviation: float | None = None
    throttled: bool = False
    remedies: tuple[str, ...] = ()


class States:
    """The lives of agents that were ever blocked are in the control state, all others in their records.

    Nothing here raises: without Redis, agents that were never blocked are where all begin.
    """

    def __init__(self, quarantine: Quarantine, watched: WatchedAgents, prescriptions: Prescriptions) -> None:
        self._quarantine = quarantine
        self._prescriptions = prescriptions
        self._watched = watched

    async def of(self, agent_ids: Iterable[str]) -> Mapping[str, Condition]:
        """Of each; all are asked for at once."""
        ids = tuple(agent_ids)
        try:
            known = await self._watched.summaries(ids)
        except StoreUnavailable as error:
            log.debug("records of agents cannot be read: %s", error)
            known = {}
        return {agent_id: self._condition(agent_id, known.get(agent_id)) for agent_id in ids}

    async def life(self, agent_id: str) -> Life | None:
        """All that is known of its moves; None if it was never watched nor moved."""
        life = self._quarantine.of(agent_id)
        if life is not None:
            return life
        try:
            record = await self._watched.record(agent_id)
        except StoreUnavailable as error:
            log.debug("the record of an agent cannot be read: %s", error)
            return None
        return None if record is None else record.life

    def _condition(self, agent_id: str, known: Summary | None) -> Condition:
        life = self._quarantine.of(agent_id)
        state = life.state if life is not None else known.state if known is not None else "INITIALIZING"
        case = self._prescriptions.case(agent_id) or Case()
        return Condition(
            state,
            None if known is None else round(known.deviation, 2),
            case.throttled is not None,
            self._prescriptions.of(agent_id).remedies,
        )
