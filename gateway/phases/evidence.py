"""What exchanges prove, or make probable, about agents by themselves, told to whoever watches them.

| finding | metric | evidence |
|---|---|---|
| `unsanctioned_call` | `ungranted` | hard: a call was executed here that no model has proposed, where a policy watches that tool |
| `unsanctioned_call` | `reported` | not hard: a call is reported to have been executed that was not let through, where a policy has an entry for that tool |
| `identity_evasion` | `credential` | hard of a new agent that comes with a quarantined agent's credential; told of the latter as well, not hard |
| `identity_evasion` | `likeness` | not hard: a new agent looks like a quarantined one and comes from its address, with another credential |
| `cost_spike` | `budget` | not hard: it has spent a budget that is its own, and goes on asking |
| `new_client` | `client` | told only: its key is used by a kind of client and from a network that are both new |
"""  # noqa: E501 - a table

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.immune.finding import Finding, FindingType
from gateway.model.agent import Agent
from gateway.model.bounded import Seldom
from gateway.model.exchange import Exchange
from gateway.model.lifecycle import Life
from gateway.policy.claim import Claim
from gateway.store.known_clients import Place
from gateway.wire.refusal_text import tool_name

AGAIN_SECONDS = 60.0
"""The same of the same agent is told no more often."""

EXECUTED = "ungranted"
_REMEMBERED = 10_000


class Evidence:
    """Tells, in memory.

    Args:
        told: takes findings, in memory.
        clock: monotonic seconds. wall_clock: seconds since the epoch.
    """

    def __init__(
        self, told: Callable[[Finding], object], *, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._told = told
        self._wall_clock = wall_clock
        self._seldom = Seldom(AGAIN_SECONDS, _REMEMBERED, clock)

    def unsanctioned(self, exchange: Exchange, agent: Agent, metric: str, tool: str) -> None:
        """A call of a governed tool went past what models proposed and policies allowed.

        A reported result alone proves less than a call that was executed here: the policy may be newer than the call.
        """
        self._tell(
            "unsanctioned_call",
            metric,
            agent.agent_id,
            exchange.id,
            hard=metric == EXECUTED,
            conversation=exchange.conversation,
            detail={"tool": tool_name(tool)},
        )

    def evaded(self, agent: Agent, request_id: str, blocked: Iterable[Life]) -> None:
        """A new agent has shown the credential of blocked ones, and was refused."""
        lives = [life for life in blocked if life.credential_id == agent.credential_id]
        incident = lives[0].incident_id if lives else None
        detail = {"incident": incident}
        self._tell("identity_evasion", "credential", agent.agent_id, request_id, hard=True, detail=detail)
        for life in lives:
            by = {"by": agent.agent_id}
            self._tell("identity_evasion", "credential", life.agent_id, request_id, detail=by)

    def like(self, exchange: Exchange, agent: Agent, life: Life) -> None:
        """A new agent says and can do what a blocked one did, from its address."""
        self._tell(
            "identity_evasion",
            "likeness",
            agent.agent_id,
            exchange.id,
            model=exchange.model,
            conversation=exchange.conversation,
            detail={"like": life.agent_id, "incident": life.incident_id},
        )

    def spent(self, exchange: Exchange, claim: Claim) -> None:
        """A budget was exceeded. One that it shares with others says nothing about who has spent it."""
        agent = exchange.agent
        if agent is not None and claim.subject.endswith((f":agent:{agent.agent_id}", f":{agent.credential_id}")):
            detail = {"rule": f"{claim.document}/budgets/{claim.bound.name}"}
            where = (agent.agent_id, exchange.id)
            self._tell("cost_spike", "budget", *where, conversation=exchange.conversation, detail=detail)

    def new_client(self, place: Place, request_id: str) -> None:
        """A verified agent's key is used from elsewhere, by something else."""
        detail = {"client": place.client, "address": place.network}
        self._tell("new_client", "client", place.agent_id, request_id, detail=detail)

    def _tell(
        self,
        kind: FindingType,
        metric: str,
        agent_id: str,
        request_id: str,
        *,
        hard: bool = False,
        model: str | None = None,
        conversation: str | None = None,
        detail: Mapping[str, Any],
    ) -> None:
        if not self._seldom.due((agent_id, kind, metric)):
            return
        where = (self._wall_clock(), agent_id, request_id, model, conversation)
        self._told(Finding(kind, metric, None, *where, hard=hard, detail=detail))
