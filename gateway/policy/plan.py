"""Which bounds hold for an agent, and at whom each is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.agent import Agent
from gateway.policy.bounds import Bound
from gateway.policy.document import Document
from gateway.policy.matching import is_about

_REMEMBERED = 10_000


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
        self._known: dict[str, tuple[Agent, Plan]] = {}

    def of(self, agent: Agent) -> Plan:
        """Empty where nothing bounds the agent."""
        if not self._documents:
            return _NOTHING
        known = self._known.get(agent.agent_id)  # not by all of the agent: hashing that takes longer than all the rest
        if known is not None and known[0] is agent:
            return known[1]
        if known is not None and known[0] == agent:
            known = self._known[agent.agent_id] = agent, known[1]  # the next time it is this one, read anew
        else:
            if len(self._known) >= _REMEMBERED:  # keyed by what callers send: must not grow with them
                self._known.clear()
            holdings = [
                Holding(bound, _subject(document, agent), document.name)
                for document in self._documents
                if is_about(document.match, agent)
                for bound in document.bounds
            ]
            # Where a budget is spent, a word on when the minute is over would only mislead.
            plan = Plan(sorted(holdings, key=lambda holding: not holding.bound.budget))
            known = self._known[agent.agent_id] = agent, plan
        return known[1]


def _subject(document: Document, agent: Agent) -> str:
    match = document.match
    if not match.agents and match.teams:
        return f"{document.name}:team:{agent.owner_team}"
    if not match.agents and match.environments:
        return f"{document.name}:environment:{agent.environment}"
    if agent.verified:
        return f"{document.name}:agent:{agent.agent_id}"
    return f"{document.name}:credential:{agent.credential_id}"
