"""One question that an agent asks of itself: may I do this now? Decided as a model's call is, but nothing is forwarded.

Whatever keeps a decision from being made or recorded is raised: an agent that gets no answer has no permission.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gateway.model.agent import Agent
from gateway.model.audit import decision_id
from gateway.model.errors import Refusal
from gateway.phases.decisions import Decisions
from gateway.phases.judging import Memories
from gateway.phases.judging_requests import plans_only
from gateway.policy.actions import normal
from gateway.policy.engine import Engine
from gateway.policy.question import Facts, Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.verdict import Verdict
from gateway.store.approval_record import Approval, Pending
from gateway.store.approvals import TooManyPending


class Modes(Protocol):
    """The operational modes that operators set (`store.modes`)."""

    def of(self, agent: Agent) -> Mapping[str, str]: ...


class People(Protocol):
    """Whom a person has to approve (`store.approvals`). Both raise StoreUnavailable."""

    async def take(self, agent_id: str, args_hash: str, tool: str) -> Approval | None: ...

    async def ask(self, pending: Pending) -> Approval:
        """Raises TooManyPending."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent is told. `decision_id` names the entry in the audit record; see `gateway.model.audit`."""

    allowed: bool
    reason: str
    rule: str
    decision_id: str
    mode: str | None = None
    approval_id: str | None = None


class Enforcing:
    """Decides questions.

    Args:
        engine: the policies in force.
        lifecycle: raises Refusal 403 for an agent that may do nothing now, another where that cannot be said.
        memories, people: None where nothing is remembered, or nobody can be asked.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        decisions: Decisions,
        *,
        lifecycle: Callable[[Agent], Awaitable[None]],
        modes: Modes,
        memories: Memories | None = None,
        people: People | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._decisions = decisions
        self._lifecycle = lifecycle
        self._modes = modes
        self._memories = memories
        self._people = people
        self._clock = clock

    async def decide(
        self,
        agent: Agent,
        question: Question,
        *,
        conversation: str = "",
        context: Mapping[str, Any] | None = None,
        planned: bool = False,
    ) -> Answer:
        """Raises Refusal, StoreUnavailable: then there is no permission.

        Args:
            planned: whether the agent itself wants no more than a plan.
        """
        hashed = self._hash(question)
        try:
            await self._lifecycle(agent)
        except Refusal as refusal:
            if refusal.status != 403:
                raise
            verdict, approval_id = Verdict(False, "lifecycle", refusal.message), None
        else:
            verdict = await self._judge(agent, question, conversation, planned)
            verdict, approval_id = await self._asking_people(agent, question, conversation, hashed, verdict)
        entry = self._decisions.record_answer(agent, question, verdict, hashed, context or {})
        if self._decisions.strict:
            await self._decisions.durable([entry])
        rule, reason = verdict.rule or "none", verdict.reason or "no policy has a say"
        return Answer(verdict.allowed, reason, rule, decision_id(entry), verdict.mode, approval_id)

    def _hash(self, question: Question) -> str:
        """Of exactly what is asked: as of a model's call where there is no more than a call to it."""
        asked = question.arguments
        if _says_more(question):
            asked = [question.action, question.resource, asked]  # no call has such arguments
        return self._decisions.args_hash(question.tool or question.action or "", asked, question.server)

    async def _judge(self, agent: Agent, question: Question, conversation: str, planned: bool) -> Verdict:
        rules = self._engine().of(agent)
        facts = Facts(agent, self._clock(), self._modes.of(agent))
        if rules.needs_memory and self._memories is not None:
            facts.memory = await self._memories.load(agent.agent_id, conversation, rules.memory_keys)
            facts.modes = self._modes.of(agent)  # one that was set meanwhile counts
        verdict = rules.judge_call(question, facts)
        if self._decisions.note is not None and not rules.idle:
            self._decisions.note(RecordedCall.of(question, facts, verdict, None, conversation))
        if verdict.allowed and (planned or plans_only(rules, facts)):
            return replace(verdict, allowed=False, rule="execution", reason="nothing is executed here, only planned")
        return verdict

    async def _asking_people(
        self, agent: Agent, question: Question, conversation: str, hashed: str, verdict: Verdict
    ) -> tuple[Verdict, str | None]:
        """The verdict after people had their say, with the approval that it waits for; what it counts is counted."""
        if verdict.asks:
            verdict, approval_id = await self._approved(agent, question, conversation, hashed, verdict)
            if not verdict.allowed:
                return verdict, approval_id
        if verdict.allowed and verdict.counts and self._memories is not None:
            full = await self._memories.count(agent.agent_id, conversation, verdict.counts)
            if full is not None:
                verdict = replace(verdict, allowed=False, rule=full.rule, reason=full.reason, counts=())
        return verdict, None

    async def _approved(
        self, agent: Agent, question: Question, conversation: str, hashed: str, verdict: Verdict
    ) -> tuple[Verdict, str | None]:
        tool = question.tool or verdict.action
        waiting = replace(verdict, allowed=False, rule="approval")
        if self._people is None:
            return replace(waiting, reason="a person has to approve it, and nobody can be asked here"), None
        used = await self._people.take(agent.agent_id, hashed, tool)
        if used is not None:
            return replace(verdict, allowed=True, reason=f"approved by {used.decided_by} ({used.approval_id})"), None
        pending = Pending(
            "tool_call",
            agent.agent_id,
            tool,
            _shown(question),
            verdict.rule,
            verdict.reason,
            conversation,
            args_hash=hashed,
        )
        try:
            asked = await self._people.ask(pending)
        except TooManyPending as error:
            return replace(waiting, reason=f"a person has to approve it, but {error}"), None
        if asked.status == "rejected":
            why = f": {asked.decision_reason}" if asked.decision_reason else ""
            return replace(waiting, reason=f"rejected by {asked.decided_by}{why}"), asked.approval_id
        return replace(waiting, reason="a person has to approve it first"), asked.approval_id


def _says_more(question: Question) -> bool:
    """Whether more is asked than a call to the tool: then an approval must not count for another action or resource."""
    return bool(question.resource or not question.tool or normal(question.action or "") != normal(question.tool))


def _shown(question: Question) -> Any:
    """What an approver sees: the arguments, and the action and resource that were stated beside them."""
    if not _says_more(question):
        return question.arguments
    return {"action": question.action, "resource": question.resource, "arguments": question.arguments}
