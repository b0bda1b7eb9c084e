"""One question that an agent asks of itself: may I do this now? Decided as a model's call is, but nothing is forwarded.

Whatever keeps a decision from being made or recorded is raised: an agent that gets no answer has no permission.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.agent import Agent
from gateway.model.audit import decision_id
from gateway.model.errors import Refusal
from gateway.phases.approving import Approving, Asked
from gateway.phases.decisions import Decisions
from gateway.phases.holding import Held, Holding
from gateway.phases.judging import Memories
from gateway.phases.presenting import IntentRefused
from gateway.policy.actions import normal
from gateway.policy.engine import Engine
from gateway.policy.intending import RULE
from gateway.policy.question import Facts, Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.verdict import Verdict
from gateway.store.approval_record import Pending


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
        engine_of: the policies in force for an agent.
        lifecycle: raises Refusal 403 for an agent that may do nothing now, another where that cannot be said.
        modes: the mode of each document for an agent at this moment.
        memories, approving: None where nothing is remembered, or nobody can be asked.
        holding: holds questions to intents; None: no token is taken.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine_of: Callable[[Agent], Engine],
        decisions: Decisions,
        *,
        lifecycle: Callable[[Agent], Awaitable[None]],
        modes: Callable[[Agent], Mapping[str, str]],
        memories: Memories | None = None,
        approving: Approving | None = None,
        holding: Holding | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._engine_of = engine_of
        self._decisions = decisions
        self._lifecycle = lifecycle
        self._modes = modes
        self._memories = memories
        self._approving = approving
        self._holding = holding
        self._clock = clock

    async def decide(
        self,
        agent: Agent,
        question: Question,
        *,
        conversation: str = "",
        context: Mapping[str, Any] | None = None,
        planned: bool = False,
        token: str | None = None,
    ) -> Answer:
        """Raises Refusal, StoreUnavailable: then there is no permission.

        Args:
            planned: whether the agent itself wants no more than a plan.
            token: of the intent that it is done under.
        """
        hashed = self._hash(question)
        try:
            await self._lifecycle(agent)
        except Refusal as refusal:
            if refusal.status != 403:
                raise
            verdict, approval_id = Verdict(False, "lifecycle", refusal.message), None
        else:
            try:
                bound = await self._bound(agent, question, token)
            except IntentRefused as refused:
                verdict, approval_id = Verdict(False, RULE, refused.message), None
            else:
                verdict = await self._judge(agent, question, conversation, planned, bound)
                verdict, approval_id = await self._asking_people(agent, question, conversation, hashed, verdict)
                verdict = verdict if bound is None else await bound.use(verdict)
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

    async def _judge(
        self, agent: Agent, question: Question, conversation: str, planned: bool, bound: Held | None
    ) -> Verdict:
        rules = self._engine_of(agent).of(agent)
        facts = Facts(agent, self._clock(), self._modes(agent))
        keys = rules.memory_keys
        if bound is not None:
            facts.intent, keys, planned = bound.intent, (*keys, *bound.counted), planned or bound.is_planned
        if (rules.needs_memory or keys) and self._memories is not None:
            facts.memory = await self._memories.load(agent.agent_id, conversation, keys)
            facts.modes = self._modes(agent)  # one that was set meanwhile counts
        verdict = rules.judge_call(question, facts)
        if self._decisions.note is not None and not rules.idle:
            self._decisions.note(RecordedCall.of(question, facts, verdict, None, conversation))
        if verdict.allowed and (planned or rules.plans):
            return replace(verdict, allowed=False, rule="execution", reason="nothing is executed here, only planned")
        return verdict

    async def _bound(self, agent: Agent, question: Question, token: str | None) -> Held | None:
        """Raises IntentRefused, Refusal, StoreUnavailable."""
        if token is None:
            return None
        if self._holding is None:
            raise Refusal("intent_invalid", "Intent tokens are not known here.")
        return await self._holding.of(agent, self._engine_of(agent).of(agent), question, token)

    async def _asking_people(
        self, agent: Agent, question: Question, conversation: str, hashed: str, verdict: Verdict
    ) -> tuple[Verdict, str | None]:
        """The verdict after people had their say, with the approval that it waits for; what it counts is counted."""
        asked: Asked | None = None
        if verdict.asks:
            if self._approving is None:
                reason = "a person has to approve it, and nobody can be asked here"
                return replace(verdict, allowed=False, rule="approval", reason=reason), None
            tool, shown = question.tool or verdict.action, _shown(question)
            about = (agent.agent_id, tool, shown, verdict.rule, verdict.reason, conversation)
            asked = await self._approving.ask(verdict, Pending("tool_call", *about, args_hash=hashed))
            if asked.status != "approved":
                return _told(asked)
        elif not verdict.allowed:
            return verdict, None
        if verdict.counts and self._memories is not None:
            full = await self._memories.count(agent.agent_id, conversation, verdict.counts)
            if full is not None:
                return replace(verdict, allowed=False, rule=full.rule, reason=full.reason, counts=()), None
        if asked is None or self._approving is None:
            return verdict, None
        return _told(await self._approving.take(asked))


def _told(asked: Asked) -> tuple[Verdict, str | None]:
    """The verdict by what people said, and the approval that it waits for."""
    approval = asked.approval
    if approval is None:
        return replace(asked.verdict, allowed=False, rule="approval", reason=asked.why), None
    if asked.status == "approved":
        reason = f"approved by {approval.decided_by} ({approval.approval_id})"
        return replace(asked.verdict, allowed=True, reason=reason), None
    reason = asked.why
    if asked.status == "rejected":
        reason = f"rejected by {approval.decided_by}"
        reason += f": {approval.decision_reason}" if approval.decision_reason else ""
    return replace(asked.verdict, allowed=False, rule="approval", reason=reason), approval.approval_id


def _says_more(question: Question) -> bool:
    """Whether more is asked than a call to the tool: then an approval must not count for another action or resource."""
    return bool(question.resource or not question.tool or normal(question.action or "") != normal(question.tool))


def _shown(question: Question) -> Any:
    """What an approver sees: the arguments, and the action and resource that were stated beside them."""
    if not _says_more(question):
        return question.arguments
    return {"action": question.action, "resource": question.resource, "arguments": question.arguments}
