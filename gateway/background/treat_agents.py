"""Gives agents their treatments, and takes them away: what the data path does to their requests, what is done once."""

from typing import Protocol

from gateway.background.execute_remedies import ExecuteRemedies
from gateway.immune.incident import Incident
from gateway.immune.ladder import Treatment
from gateway.immune.patient import patient_of
from gateway.immune.record import Record
from gateway.immune.remedy import Patient
from gateway.store.intents import Intents
from gateway.store.prescriptions import Prescriptions


class Prompts(Protocol):
    """The system prompts that are kept."""

    async def has(self, agent_id: str, prompt_hash: str) -> bool: ...


class TreatAgents:
    """Every method but `forget` raises StoreUnavailable, and may be called again."""

    def __init__(
        self, prescriptions: Prescriptions, intents: Intents, prompts: Prompts, executing: ExecuteRemedies
    ) -> None:
        self._prescriptions = prescriptions
        self._intents = intents
        self._prompts = prompts
        self._executing = executing

    async def patient(self, record: Record, incident: Incident) -> Patient:
        """What remedies are told."""
        prompt = record.good.prompt
        kept = prompt is not None and await self._prompts.has(record.agent_id, prompt)
        return patient_of(record, incident, prompt_kept=kept, executors=self._executing.targets(record.agent_id))

    async def give(self, agent_id: str, incident_id: str, treatment: Treatment, at: float) -> bool | None:
        """Whether the treatment is in place; None while executors are about it.

        Args:
            at: when it was begun, which tells it from others of the agent.
        """
        await self._prescriptions.treat(agent_id, incident_id, treatment, at)
        once = treatment.prescription.once
        if "revoke_intents" in once:
            await self._intents.revoke_all(agent_id)
        outside = [action for action in once if action != "revoke_intents"]
        return self._executing.done(agent_id, incident_id, outside, at) if outside else True

    async def end(self, agent_id: str, *, keep: bool = False) -> None:
        """Probation is over, or never began. `keep`: what lasts of the treatment stays."""
        await self._prescriptions.end(agent_id, keep=keep)
        self.forget(agent_id)

    def forget(self, agent_id: str) -> None:
        """What executors did for it has been taken down, and need not be known any more."""
        self._executing.forget(agent_id)
