"""The policies in force. What bounds an agent and what judges it come from the same documents and change together."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from gateway.immune.prescription import NOTHING, Prescription
from gateway.model.agent import Agent
from gateway.model.bounded import make_room
from gateway.model.exchange import Exchange
from gateway.phases.treatment import Treated, document_of
from gateway.policy.document import Document
from gateway.policy.engine import Engine
from gateway.policy.plan import Plans

_REMEMBERED = 1_000
"""Agents that are treated; the documents of each take a few kilobytes."""


@dataclass(frozen=True, slots=True)
class InForce:
    """One set of documents, compiled; another set is another instance. `treatment` is whose it is besides everyone's;
    None of all agents that nothing is prescribed for."""

    engine: Engine
    plans: Plans
    treatment: Treated | None = None


def in_force(
    documents: Sequence[Document] = (),
    *,
    shadow: bool = False,
    servers: Collection[str] = (),
    before: InForce | None = None,
) -> InForce:
    """Compile documents. `shadow`: none of them blocks anything; `servers`: the MCP servers that there are; `before`:
    the set that this one follows."""
    engine = Engine(documents, shadow=shadow, servers=servers, before=before.engine if before is not None else None)
    return InForce(engine, Plans(documents))


def under_treatment(everyone: InForce, agent_id: str, prescription: Prescription) -> InForce:
    """What holds for one agent that is treated: everyone's documents, and its own."""
    before = everyone.engine
    taken = {document.name for document in before.documents}
    own = document_of(prescription, agent_id, taken=taken, servers=before.servers)
    documents = (*before.documents, own)
    # Tools are taken out of its requests by its own document; what others deny stays as they have it.
    taking = replace(own, clauses=replace(own.clauses, strip_tools=True))
    alone = Engine((taking,), servers=before.servers)
    engine = Engine(documents, servers=before.servers, before=before)
    return InForce(engine, Plans(documents), Treated(prescription, own.name, alone))


class Policies:
    """Which set holds now. `current` may be replaced at any time: an exchange goes on under what it began with.

    Args:
        current: for all agents that nothing is prescribed for.
        prescribed: what is, by the id of the agent; see `store.prescriptions`.
    """

    def __init__(
        self, current: InForce | None = None, *, prescribed: Callable[[str], Prescription] = lambda agent_id: NOTHING
    ) -> None:
        self.current = current or in_force()
        self._prescribed = prescribed
        self._treated: dict[str, tuple[InForce, InForce]] = {}

    def of(self, exchange: Exchange) -> InForce:
        """The same set for as long as the exchange lasts."""
        found: InForce | None = exchange.policies
        if found is None:
            agent = exchange.agent
            found = exchange.policies = self.current if agent is None else self.about(agent)
        return found

    def about(self, agent: Agent) -> InForce:
        """What holds for an agent now."""
        prescription = self._prescribed(agent.agent_id)
        if prescription is not NOTHING:
            return self._about(agent.agent_id, prescription)
        if self._treated:
            self._treated.pop(agent.agent_id, None)
        return self.current

    def _about(self, agent_id: str, prescription: Prescription) -> InForce:
        known = self._treated.get(agent_id)
        if known is not None and known[0] is self.current and known[1].treatment is not None:
            before = known[1].treatment.prescription
            if before is prescription or before == prescription:
                return known[1]
        if prescription.idle:
            return self.current
        found = under_treatment(self.current, agent_id, prescription)
        self._treated.pop(agent_id, None)
        make_room(self._treated, _REMEMBERED)
        self._treated[agent_id] = self.current, found
        return found
