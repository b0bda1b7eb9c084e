"""Whether the steps of an intent may be declared: each is judged by the policies, and some by a person.

Every decision is recorded. What keeps one from being made is raised: then nothing is declared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gateway.intents.claims import Step
from gateway.model.agent import Agent
from gateway.model.audit import decision_id
from gateway.phases.decisions import Decisions
from gateway.phases.judging import Memories
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts, Question
from gateway.policy.verdict import Verdict
from gateway.store.approval_record import Approval, Kind, Pending
from gateway.store.approvals import TooManyPending

_KIND: Kind = "intent"
_TOOL = "intent"


class People(Protocol):
    """What people are asked to approve (`store.approvals`). Both raise StoreUnavailable."""

    async def take(self, agent_id: str, args_hash: str, tool: str, kind: Kind = "tool_call") -> Approval | None: ...

    async def ask(self, pending: Pending) -> Approval:
        """Raises TooManyPending."""
        ...


class Readers(Protocol):
    """Which sessions have read results of tools (`store.results_seen`)."""

    async def any(self, agent_id: str, session: str | None) -> bool:
        """Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What an agent asks for.

    Attributes:
        goal: in its own words. `seconds`: how long it is to live.
        principal: for whom the work is done, as the agent says.
        person: the key id of a person who asks with it; None: the agent alone.
        session: what the agent calls the conversation it asks from.
        is_part: it is a part of what was declared before, so that nobody writes a warrant with it.
    """

    goal: str
    steps: tuple[Step, ...]
    seconds: float
    execution: str = "execute_safe"
    principal: str | None = None
    person: str | None = None
    session: str | None = None
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class StepDecision:
    """What was decided about one step. `waits`: a person has to approve it."""

    step: str
    tool: str
    allowed: bool
    rule: str
    reason: str
    decision_id: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """The steps may be minted if `allowed`; else `approval_id` says what a person is asked, None: they are denied.

    `policy` stands for what the policies said, `mode` is the operational mode they said it in.
    """

    allowed: bool
    decisions: tuple[StepDecision, ...]
    policy: str = ""
    mode: str | None = None
    approval_id: str | None = None


class Declaring:
    """Judges plans.

    Args:
        engine_of: the policies in force for an agent.
        modes: the mode of each document for an agent at this moment.
        memories, people: None where nothing is remembered, or nobody can be asked.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine_of: Callable[[Agent], Engine],
        decisions: Decisions,
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        readers: Readers,
        memories: Memories | None = None,
        people: People | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._engine_of = engine_of
        self._decisions = decisions
        self._modes = modes
        self._readers = readers
        self._memories = memories
        self._people = people
        self._clock = clock

    async def judge(self, agent: Agent, plan: Plan, intent_id: str) -> Declared:
        """Raises Refusal, StoreUnavailable."""
        rules = self._engine_of(agent).of(agent)
        facts = Facts(agent, self._clock(), self._modes(agent))
        if rules.needs_memory and self._memories is not None:
            facts.memory = await self._memories.load(agent.agent_id, plan.session or "", rules.memory_keys)
            facts.modes = self._modes(agent)  # one that was set meanwhile counts
        verdicts = [rules.judge_step(_question(step), facts) for step in plan.steps]
        verdicts = await self._by_whom(rules, facts, agent, plan, verdicts)
        approval_id = None
        if all(one.allowed or one.asks for one in verdicts) and any(one.asks for one in verdicts):
            verdicts, approval_id = await self._approved(agent, plan, verdicts)
        decisions = [
            await self._recorded(agent, step, verdict, intent_id, approval_id)
            for step, verdict in zip(plan.steps, verdicts, strict=True)
        ]
        allowed = all(one.allowed and not one.approval for one in verdicts)
        mode = next((one.mode for one in verdicts if one.mode is not None), None)
        return Declared(allowed, tuple(decisions), rules.minting.version(), mode, approval_id)

    async def _by_whom(
        self, rules: Rules, facts: Facts, agent: Agent, plan: Plan, verdicts: list[Verdict]
    ) -> list[Verdict]:
        """What `intents.mint` makes of it: who asks, and whether the agent has read anything before."""
        if plan.person is not None:
            return verdicts
        if rules.minting.principal is not None:
            rule, policy = rules.minting.principal
            reason = "only a person may declare an intent here: send an operator's key with it"
            return [replace(one, allowed=False, approval=False, rule=rule, policy=policy, reason=reason)
                    if one.allowed else one for one in verdicts]  # fmt: skip
        if rules.minting.early is None or plan.is_part:
            return verdicts
        effects = [rules.effect_of(_question(step), facts) for step in plan.steps]
        if all(effect == "read" for effect in effects) or not await self._readers.any(agent.agent_id, plan.session):
            return verdicts
        rule, policy = rules.minting.early
        reason = "it was asked for after a tool's result was read: a person has to approve it"
        return [
            replace(one, approval=True, rule=rule, policy=policy, reason=reason)
            if one.allowed and effect != "read"
            else one
            for one, effect in zip(verdicts, effects, strict=True)
        ]

    async def _approved(
        self, agent: Agent, plan: Plan, verdicts: Sequence[Verdict]
    ) -> tuple[list[Verdict], str | None]:
        """The verdicts after a person had a say in exactly this plan, and the approval that it waits for."""
        if self._people is None:
            return [_unlifted(one, "nobody can be asked here") for one in verdicts], None
        asked = shown(plan)
        hashed = self._decisions.args_hash(_TOOL, asked, None)
        used = await self._people.take(agent.agent_id, hashed, _TOOL, _KIND)
        if used is not None:
            reason = f"approved by {used.decided_by} ({used.approval_id})"
            lifted = [
                replace(one, allowed=True, approval=False, reason=reason) if one.asks else one for one in verdicts
            ]
            return lifted, None
        first = next(one for one in verdicts if one.asks)
        pending = Pending(
            _KIND, agent.agent_id, _TOOL, asked, first.rule, first.reason, plan.session or "", args_hash=hashed
        )
        try:
            found = await self._people.ask(pending)
        except TooManyPending as error:
            return [_unlifted(one, f"a person has to approve it, but {error}") for one in verdicts], None
        if found.status == "rejected":
            why = f": {found.decision_reason}" if found.decision_reason else ""
            return [_unlifted(one, f"rejected by {found.decided_by}{why}") for one in verdicts], None
        return list(verdicts), found.approval_id

    async def _recorded(
        self, agent: Agent, step: Step, verdict: Verdict, intent_id: str, approval_id: str | None
    ) -> StepDecision:
        question = _question(step)
        waits = verdict.asks and approval_id is not None
        told = replace(verdict, allowed=verdict.allowed and not verdict.approval)
        context = {"intent": intent_id, "step": step.id, **({"approval_id": approval_id} if waits else {})}
        hashed = self._decisions.args_hash(step.tool, question.arguments, step.server)
        entry = self._decisions.record_answer(agent, question, told, hashed, context)
        if self._decisions.strict:
            await self._decisions.durable([entry])
        rule, reason = told.rule or "none", told.reason or "no policy has a say"
        return StepDecision(step.id, step.tool, told.allowed, rule, reason, decision_id(entry), waits)


def shown(plan: Plan) -> dict[str, Any]:
    """What a person is asked to approve."""
    steps = []
    for step in plan.steps:
        members = {"id": step.id, "tool": step.tool, "server": step.server, "arguments": step.arguments,
                   "constraints": step.constraints, "max_uses": step.max_uses, "after": list(step.after)}  # fmt: skip
        steps.append({name: member for name, member in members.items() if member not in (None, [])})
    asked = {"goal": plan.goal, "steps": steps, "seconds": plan.seconds, "execution": plan.execution}
    return asked if plan.principal is None else {**asked, "principal": plan.principal}


def _question(step: Step) -> Question:
    if step.arguments is None:
        return Question(step.tool, None, server=step.server)
    return Question.stated(step.tool, dict(step.arguments), server=step.server)


def _unlifted(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, allowed=False, approval=False, reason=reason) if verdict.asks else verdict
