"""Records what was decided about requests, tool calls and questions, before it takes effect, and counts it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.phases.judged_call import Judged
from gateway.policy.question import Facts, Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.verdict import RequestVerdict, Verdict
from gateway.spool.errors import AuditUnavailable

_LONGEST = 300  # characters of a tool's name, a resource, a reason


class Log(Protocol):
    """The audit record."""

    def append(self, entry: AuditEntry) -> str: ...

    async def durable(self, entry_id: str) -> None: ...


class Decisions:
    """Counts in `calls`, by `allow`, `deny`, `plan` and `shadow`: let through, but a rule in shadow would not have.

    Args:
        args_hash: stands for the arguments of a call.
        clock: seconds since the epoch.
        note: keeps calls so that other policies can be tried on them; None: nobody does.
        redact: takes keys out of text that models have chosen.
        unsanctioned: told of calls that went past what was proposed and let through: what shows it
            (`ungranted`, `reported`), and the tool.
        strict: whether nothing takes effect before it is safe from a loss of power.
    """

    def __init__(
        self,
        log: Log,
        *,
        args_hash: Callable[[str, Any, str | None], str],
        clock: Callable[[], float],
        note: Callable[[RecordedCall], None] | None = None,
        redact: Callable[[str], str] = str,
        unsanctioned: Callable[[Exchange, Agent, str, str], object] = lambda exchange, agent, shown, tool: None,
        strict: bool = False,
    ) -> None:
        self._unsanctioned = unsanctioned
        self._log = log
        self._clock = clock
        self._redact = redact
        self.args_hash = args_hash
        self.note = note
        self.strict = strict
        self.calls = {"allow": 0, "deny": 0, "plan": 0, "shadow": 0}

    def record(
        self, exchange: Exchange, facts: Facts, judged: Judged, *, withheld: bool, metadata: Mapping[str, Any] = {}
    ) -> str | None:
        """The id of the entry; None where no rule had a say, which is not recorded. Raises Refusal if it cannot be.

        Args:
            withheld: whether the agent does not get the call, though it may be allowed.
        """
        verdict, question = judged.verdict, judged.question
        self._count(verdict, planned="execution" in metadata)
        self.keep(exchange, facts, judged)
        if verdict.allowed and verdict.policy is None and not verdict.shadowed and not metadata:
            return None
        args_hash = self.args_hash(question.tool, question.arguments, question.server)
        more = {**metadata, **({"withheld": True} if withheld and verdict.allowed else {}), **_remedies(exchange)}
        entry = self._entry(facts.agent, question, verdict, args_hash, metadata=more)
        return self._append(replace(entry, request_id=exchange.id))

    def record_answer(
        self, agent: Agent, question: Question, verdict: Verdict, args_hash: str, context: Mapping[str, Any]
    ) -> str:
        """Record what an agent is told that asked by itself; the id of the entry. Raises Refusal if it cannot be."""
        self._count(verdict)
        return self._append(replace(self._entry(agent, question, verdict, args_hash), context=context))

    def record_request(
        self, exchange: Exchange, facts: Facts, verdict: RequestVerdict, *, model: str | None = None
    ) -> None:
        """Record that a request is refused, or would be; `model` where its ask names none, or another. Raises Refusal
        if that cannot be recorded."""
        denied = verdict.denied
        if denied is None and not verdict.shadowed:
            return
        rule, reason = (denied.rule, denied.reason) if denied is not None else verdict.shadowed[0]
        shadow = {} if denied is not None else {"shadow": [{"rule": rule} for rule, _ in verdict.shadowed]}
        self._append(
            AuditEntry(
                time=self._clock(),
                kind="decision",
                action="call:model",
                request_id=exchange.id,
                agent_id=facts.agent.agent_id,
                resource=self._shown(model or (exchange.ask.model if exchange.ask is not None else None) or ""),
                allowed=denied is None,
                rule=rule,
                reason=self._shown(reason),
                mode=denied.mode if denied is not None else None,
                policy=denied.policy if denied is not None else None,
                metadata={**shadow, **_remedies(exchange)},
            )
        )

    def record_result(
        self, exchange: Exchange, agent: Agent, tool: str, *, allowed: bool, rule: str, policy: str | None, reason: str
    ) -> None:
        """Record a reported result of a call that the agent was not given. Raises Refusal if that cannot be."""
        if not allowed:  # a policy in force has an entry for the tool
            self._unsanctioned(exchange, agent, "reported", tool)
        self._append(
            AuditEntry(
                time=self._clock(),
                kind="decision",
                action="report:result",
                request_id=exchange.id,
                agent_id=agent.agent_id,
                tool=self._shown(tool) or None,
                allowed=allowed,
                rule=rule,
                reason=reason,
                policy=policy,
            )
        )

    def record_finding(
        self, exchange: Exchange, agent: Agent, judged: Judged, finding: str, *, rule: str, allowed: bool
    ) -> None:
        """Record a call that no model has proposed, and tell of it. Raises Refusal if that cannot be.

        Args:
            allowed: whether the call goes on nevertheless.
        """
        question = judged.question
        if allowed:  # one that is refused is a denied call among others, and comes to nothing
            self._unsanctioned(exchange, agent, "ungranted", question.tool)
        found = replace(judged.verdict, allowed=allowed, rule=rule, reason=finding, shadowed=())
        args_hash = self.args_hash(question.tool, question.arguments, question.server)
        entry = self._entry(agent, question, found, args_hash, metadata={"finding": finding})
        self._append(replace(entry, kind="finding", request_id=exchange.id))

    def keep(self, exchange: Exchange, facts: Facts, judged: Judged) -> None:
        """Note a call for whoever wants to try another policy on it."""
        if self.note is not None:
            self.note(RecordedCall.of(judged.question, facts, judged.verdict, exchange.id, exchange.conversation))

    async def durable(self, entries: Sequence[str]) -> None:
        """Wait until these are safe. Raises Refusal if they cannot be made so."""
        try:
            for entry in entries:
                await self._log.durable(entry)
        except AuditUnavailable:
            raise _unrecorded() from None

    def _count(self, verdict: Verdict, *, planned: bool = False) -> None:
        kind = "plan" if planned else "shadow" if verdict.shadowed else "allow"
        self.calls[kind if verdict.allowed else "deny"] += 1

    def _entry(
        self, agent: Agent, question: Question, verdict: Verdict, args_hash: str, metadata: Mapping[str, Any] = {}
    ) -> AuditEntry:
        shadow = [{"rule": rule, "reason": reason} for rule, reason in verdict.shadowed]
        return AuditEntry(
            time=self._clock(),
            kind="decision",
            action=self._shown(verdict.action or question.action or question.tool),
            agent_id=agent.agent_id,
            resource=self._shown(verdict.resource or question.resource or ""),
            tool=self._shown(question.tool) or None,
            allowed=verdict.allowed,
            rule=verdict.rule or None,
            reason=self._shown(verdict.reason) or None,
            mode=verdict.mode,
            policy=verdict.policy,
            args_hash=args_hash,
            metadata={**metadata, **({"shadow": shadow} if shadow else {})},
        )

    def _append(self, entry: AuditEntry) -> str:
        try:
            return self._log.append(entry)
        except AuditUnavailable:
            raise _unrecorded() from None

    def _shown(self, text: str) -> str:
        return self._redact(text)[:_LONGEST]


def _remedies(exchange: Exchange) -> dict[str, Any]:
    """What the agent is treated with."""
    return {"remedies": list(exchange.remedies)} if exchange.remedies else {}


def _unrecorded() -> Refusal:
    return Refusal(
        "audit_unavailable",
        "The gateway cannot record its decisions at the moment, so it lets no tool call through.",
        retry_after=1,
    )
