"""Has executors carry out what a treatment needs done outside of the gateway, beside whoever waits for it.

An executor may take many seconds, and whoever heals agents has a lease to keep: so each job is a task of its own, and
its result is asked for later. A job whose gateway ends is begun anew by the next one.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

log = logging.getLogger(__name__)


class Executors(Protocol):
    """What can act on agents outside of the gateway."""

    def targets(self, agent_id: str) -> frozenset[str]:
        """What there are means for, of `gateway.immune.prescription.Once` and more."""
        ...

    async def do(self, name: str, agent_id: str, incident_id: str) -> None:
        """Do it, trying again where that may help; an exception says that it could not be done."""
        ...


class ExecuteRemedies:
    """
    Args:
        seconds: that one action may take, with all the tries its executor makes.
    """

    def __init__(self, executors: Executors, *, seconds: float = 180.0) -> None:
        self._executors = executors
        self._seconds = seconds
        self._jobs: dict[str, tuple[object, asyncio.Task[bool]]] = {}

    def targets(self, agent_id: str) -> frozenset[str]:
        return self._executors.targets(agent_id)

    def done(self, agent_id: str, incident_id: str, actions: Sequence[str], at: float) -> bool | None:
        """Whether a treatment's actions have been carried out; None while they are, which the first question begins.

        Args:
            at: when the treatment was begun, which tells it from others of the agent.
        """
        what = incident_id, tuple(actions), at
        job = self._jobs.get(agent_id)
        if job is None or job[0] != what:
            self.forget(agent_id)
            job = self._jobs[agent_id] = what, asyncio.create_task(self._run(agent_id, incident_id, actions))
        task = job[1]
        return (not task.cancelled() and task.result()) if task.done() else None

    def forget(self, agent_id: str) -> None:
        """What was carried out has been taken down; what is under way is not wanted any more."""
        job = self._jobs.pop(agent_id, None)
        if job is not None:
            job[1].cancel()

    async def run(self) -> None:
        """Until cancelled; then what is under way is given up."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks = [task for _, task in self._jobs.values()]
            for agent_id in list(self._jobs):
                self.forget(agent_id)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, agent_id: str, incident_id: str, actions: Sequence[str]) -> bool:
        for action in actions:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._executors.do(action, agent_id, incident_id)
            except Exception as error:  # broad: whatever an executor's means raise, the action is not done
                log.warning("%s of agent %s failed: %s", action, agent_id, error or type(error).__name__)
                return False
        return True
