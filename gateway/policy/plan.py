"""Which bounds hold for an agent, and at whom each is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.agent import Agent
from gateway.policy.bounds import Bound
from gateway.policy.by_agent import ByAgent
from gateway.policy.document import Document
from gateway.policy.matching import is_about


@dataclass(frozen=True, slots=True)
class Holding:
    """One bound as it holds for one agent. `subject` is who is counted; the same text on every replica."""

    bound: Bound
    subject: str
    document: str


class Plan(tuple[Holding, ...]):
    """The holdings of one agent, budgets first.

    Attributes:
        estimated: the first budget in tokens or money, which only a request that was read can be charged to.
        money: the first bound in money.
    """

    def __init__(self, holdings: Iterable[Holding] = ()) -> None:
        self.estimated = next((h for h in self if h.bound.budget and h.bound.kind.measure in ("tokens", "usd")), None)
        self.money = next((h for h in self if h.bound.kind.measure == "usd"), None)


_NOTHING = Plan()


class Plans:
    """The holdings of every agent under one set of documents; a new set is a new instance.

    A document that names agents, or nobody, counts each agent by itself; one that names teams counts a team together;
    one that names environments only, an environment together. Agents that proved nothing are counted at what they
    showed as credential instead: each could call itself by many names.
    """

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._documents = tuple(document for document in documents if document.bounds)
        self._plans = ByAgent(self._plan_of)

    def of(self, agent: Agent) -> Plan:
        """Empty where nothing bounds the agent."""
        return self._plans.of(agent) if self._documents else _NOTHING

    def _plan_of(self, agent: Agent) -> Plan:
        holdings = [
            Holding(bound, _subject(document, agent), document.name)
            for document in self._documents
            if is_about(document.match, agent)
            for bound in document.bounds
        ]
        # Where a budget is spent, a word on when the minute is over would only mislead.
        return Plan(sorted(holdings, key=lambda holding: not holding.bound.budget))


def _subject(document: Document, agent: Agent) -> str:
    match = document.match
    if not match.agents and match.teams:
        return f"{document.name}:team:{agent.owner_team}"
    if not match.agents and match.environments:
        return f"{document.name}:environment:{agent.environment}"
    if agent.verified or document.apart:
        return f"{document.name}:agent:{agent.agent_id}"
    return f"{document.name}:credential:{agent.credential_id}"
