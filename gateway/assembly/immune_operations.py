"""What the admin API says of agents that are watched: their states, incidents, treatments and baselines."""

from collections.abc import Callable

from fastapi import APIRouter

from gateway.assembly.state import State
from gateway.background.keep_incidents import KeepIncidents
from gateway.background.take_feedback import TakeFeedback
from gateway.edge.admin import agents, baseline, healing, incidents, lifecycle, quarantine, stats
from gateway.edge.admin.healing import Healer
from gateway.edge.admin.operator_incidents import OperatorIncidents
from gateway.edge.admin.states import States
from gateway.store.stats import Stats
from gateway.store.vitals import VitalsLog


class ImmuneOperations:
    """One for all routers, as they show the same.

    Args:
        healer: begins treatments.
        clock: seconds since the epoch.
    """

    def __init__(self, state: State, healer: Healer, *, clock: Callable[[], float]) -> None:
        self._state = state
        self._healer = healer
        self._clock = clock
        self._states = States(state.quarantine, state.watched_agents, state.prescriptions)

    def agents(self) -> APIRouter:
        state = self._state
        return agents.router(state.agents, state.identities, self._states, self._forget)

    def of_agents(self) -> list[APIRouter]:
        """In the order of the documentation."""
        state, notify = self._state, self._state.events.notify
        alert, clock = state.webhooks.notify, self._clock
        kept = KeepIncidents(state.incidents, notify=notify, alert=alert, clock=clock)
        own = OperatorIncidents(kept, alert=alert, clock=clock)
        rules = state.identities.rules
        return [
            quarantine.router(state.quarantine, state.control, state.agents, rules, self._states, own, notify=notify),
            lifecycle.router(state.agents, self._states),
            incidents.router(
                state.incidents,
                state.quarantine,
                VitalsLog(state.store),
                TakeFeedback(state.incidents, state.immune_counts).take,
                notify=notify,
            ),
            healing.router(
                state.quarantine,
                state.incidents,
                state.prescriptions,
                state.immune_counts,
                state.agents,
                self._states,
                self._healer,
                order=state.watch_feed.order,
                notify=notify,
            ),
            baseline.router(
                state.agents,
                state.watched_agents,
                self._states,
                state.watch_feed,
                state.watch_partitions.passed,
                notify=notify,
            ),
        ]

    def stats(self) -> APIRouter:
        state = self._state
        return stats.router(
            Stats(state.store, clock=self._clock),
            state.immune_counts,
            state.fleet,
            quarantined=lambda: len(state.quarantine.blocked),
            pending_approvals=state.approvals.count_pending,
            clock=self._clock,
        )

    async def _forget(self, agent_id: str) -> None:
        """What was learned of it and prescribed for it. Raises StoreUnavailable."""
        await self._state.watched_agents.forget(agent_id)
        if self._state.prescriptions.case(agent_id) is not None:
            await self._state.prescriptions.clear(agent_id)
