"""judging: what the policies say of the tool calls in an answer.

What can be decided in memory is decided at once; a ruling takes its time only where people are asked or where replicas
count together.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.audit import decision_id
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Judge, Ruling, Wait, Withhold, allow_all
from gateway.phases.approving import Approving, Asked, not_approved
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judged, Judgement, SameTurn, offered, question_of
from gateway.phases.releasing import Releasing
from gateway.policy.intending import RULE
from gateway.policy.question import Facts, Intent, Memory
from gateway.policy.verdict import Count, Verdict
from gateway.store.approval_record import Pending
from gateway.store.errors import StoreUnavailable
from gateway.wire.refusal_text import plan_text, refusal_text, tool_name

_ALLOWED = Verdict(True, "")


class Memories(Protocol):
    """What agents did lately, on all replicas; see `store.memory`. Both raise StoreUnavailable."""

    async def load(
        self, agent_id: str, conversation: str, keys: Sequence[Count], *, session: str | None = None
    ) -> Memory: ...

    async def count(self, agent_id: str, conversation: str, counts: Sequence[Count]) -> Count | None:
        """Count all of them or, if one has no room, none: then that one."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is read before calls are judged."""

    memory: Memory | None = None
    intent: Intent | None = None


_NOTHING = Known()


class Judging:
    """Who judges the calls of an exchange (`of`), once its request was judged.

    Args:
        modes: the mode of each document for an agent at this moment.
        memories, approving: None: the rules that need them refuse.
        proposed, executed: of calls in answers, and of those that go to MCP servers; None: no intent fits.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        decisions: Decisions,
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
        memories: Memories | None = None,
        approving: Approving | None = None,
        proposed: Releasing | None = None,
        executed: Releasing | None = None,
    ) -> None:
        self.decisions = decisions
        self._modes = modes
        self._clock = clock
        self._memories = memories
        self._approving = approving
        self._proposed = proposed
        self._executed = executed

    def of(self, exchange: Exchange) -> Judge:
        """The judge of this exchange's answer."""
        judgement = exchange.judgement
        if judgement is None:
            return allow_all if self.decisions.note is None else partial(self._note, exchange)
        return partial(self._judge, exchange, judgement)

    def _note(self, exchange: Exchange, calls: Sequence[ToolCall]) -> Ruling:
        """What no rule is about is let through, and only kept."""
        agent, ask = exchange.agent, exchange.ask
        if agent is not None:
            tools = offered(ask) if ask is not None else None
            facts = Facts(agent, self._clock(), self._modes(agent), tools)
            for call in calls:
                self.decisions.keep(exchange, facts, Judged(call, question_of(call), _ALLOWED))
        return RELEASE

    def _judge(self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling | Wait:
        if judgement.needs_memory or self._looking_up(exchange, judgement) is not None:
            return Wait(partial(self._knowing, exchange, judgement, calls))
        return self._ruling(exchange, judgement, calls, _NOTHING)

    async def _knowing(self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling:
        try:
            known = await self._known(exchange, judgement, calls)
        except StoreUnavailable:
            return _no_state()
        ruling = self._ruling(exchange, judgement, calls, known)
        return await ruling.ruling() if isinstance(ruling, Wait) else ruling

    async def _known(self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall]) -> Known:
        memory, releasing = None, self._looking_up(exchange, judgement)
        if judgement.needs_memory and self._memories is not None:
            agent_id, keys = judgement.agent.agent_id, (*judgement.rules.memory_keys, *judgement.counted)
            loading = self._memories.load(agent_id, judgement.conversation, keys, session=judgement.session)
            if releasing is None:
                return Known(await loading)
            memory = asyncio.ensure_future(loading)
        if releasing is None:
            return _NOTHING
        intent = await releasing.bound(judgement, [question_of(call) for call in calls])
        return Known(None if memory is None else await memory, intent)

    def _releasing(self, exchange: Exchange) -> Releasing | None:
        return self._proposed if exchange.mcp is None else self._executed

    def _looking_up(self, exchange: Exchange, judgement: Judgement) -> Releasing | None:
        """Who has something to read before calls are judged; what goes on with a call was read with it."""
        releasing = self._releasing(exchange)
        return None if releasing is None or judgement.continued or not releasing.looks_up(judgement) else releasing

    def _ruling(
        self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall], known: Known
    ) -> Ruling | Wait:
        facts, judged = self._judged(judgement, calls, known)
        judged = _bounded(exchange, judgement, judged)
        if any(one.stands or (judgement.planned and not one.verdict.allowed) for one in judged):
            return self._refused(exchange, facts, judged)
        if judgement.planned:
            return self._planned(exchange, facts, judged)
        if judgement.continued:
            if all(one.verdict.rule == judgement.lifted if one.asks else one.verdict.allowed for one in judged):
                return Wait(partial(self._gone_on, exchange, judgement, judged, facts))
            judgement.continued = False  # a person is asked anew: it is a new call, with a use and a grant of its own
            return Wait(partial(self._knowing, exchange, judgement, calls))
        releasing = self._releasing(exchange)
        written = releasing is not None and releasing.concerns(judgement, judged)
        if written or any(one.asks or one.verdict.counts for one in judged):
            return Wait(partial(self._weighed, exchange, judgement, judged, facts))
        entries = list(self._record(exchange, judgement, facts, judged).values())
        return Wait(partial(self._safe, entries)) if entries and self.decisions.strict else RELEASE

    def _judged(self, judgement: Judgement, calls: Sequence[ToolCall], known: Known) -> tuple[Facts, list[Judged]]:
        now, judged, memory = self._clock(), list[Judged](), known.memory
        turn = SameTurn(memory, now) if memory is not None and len(calls) > 1 else None
        facts = judgement.facts(now, self._modes(judgement.agent), turn or memory, known.intent)
        for call in calls:
            question = question_of(call)
            judged.append(Judged(call, question, judgement.rules.judge_call(question, facts)))
            if turn is not None:
                turn.note(judged[-1].verdict.counts)
        return facts, judged

    async def _weighed(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], facts: Facts
    ) -> Ruling:
        """The ruling on calls that are approved by people or counted on all replicas, in this order."""
        judgement.lifted = next((one.verdict.rule for one in judged if one.asks), None)
        try:
            judged = await self._lifted(exchange, judgement, judged)
            asked = await self._asked(exchange, judgement, judged)
            while asked:
                if waiting := {at: one for at, one in asked.items() if one.status != "approved"}:
                    return self._not_approved(exchange, facts, waiting, judged)
                # A mode may have changed since.
                calls = [one.call for one in judged]
                facts, judged = self._judged(judgement, calls, await self._known(exchange, judgement, calls))
                if any(one.stands for one in judged):
                    return self._refused(exchange, facts, judged)
                if all(id(one.call) in asked for one in judged if one.asks):
                    break
                asked = await self._asked(exchange, judgement, judged)
            if full := await self._counted(judgement, judged):
                return self._refused(exchange, facts, full)
            if gone := await self._take(asked):
                return self._not_approved(exchange, facts, gone, judged)
            return await self._released(exchange, judgement, facts, judged, asked)
        except StoreUnavailable:
            return _no_state()

    async def _gone_on(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], facts: Facts
    ) -> Ruling:
        """What was let through before goes on: nothing is used, counted or asked a second time."""
        lifted = [one.lifted() if one.asks else one for one in judged]
        judged = [replace(one, verdict=replace(one.verdict, step=judgement.step)) for one in lifted]
        try:
            entries = self._record(exchange, judgement, facts, judged)
            return await self._handed_on(exchange, judgement, judged, entries)
        except StoreUnavailable:
            return _no_state()

    async def _lifted(self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]) -> Sequence[Judged]:
        """The calls, allowed where a person has approved them as they were proposed."""
        releasing = self._releasing(exchange)
        if releasing is None or not any(one.asks for one in judged):
            return judged
        return [one.lifted() if one.asks and await releasing.approved(judgement, one) else one for one in judged]

    async def _asked(self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]) -> dict[int, Asked]:
        """What people were asked, by the identity of the call."""
        asking = [one for one in judged if one.asks]
        if not asking:
            return {}
        if self._approving is None:
            raise Refusal("approval_required", f"{asking[0].sentence()}: a person has to approve it, and none can.")
        waiting = _apart([self._pending(exchange, judgement, one) for one in asking])
        asked = [await self._approving.ask(one.verdict, what) for one, what in zip(asking, waiting, strict=True)]
        most, before = exchange.mcp.patience if exchange.mcp is not None else (None, 0.0)
        held = await self._approving.hold(asked, most=most, before=before)
        return dict(zip((id(one.call) for one in asking), held, strict=True))

    def _pending(self, exchange: Exchange, judgement: Judgement, judged: Judged) -> Pending:
        question, verdict = judged.question, judged.verdict
        return Pending(
            "tool_call",
            judgement.agent.agent_id,
            question.tool,
            question.arguments,
            verdict.rule,
            verdict.reason,
            judgement.conversation,
            exchange.id,
            self.decisions.args_hash(question.tool, question.arguments, question.server),
        )

    async def _take(self, asked: Mapping[int, Asked]) -> Mapping[int, Asked]:
        """Use the approvals; the first that could not be used any more."""
        for at, one in asked.items():
            assert self._approving is not None
            taken = await self._approving.take(one)
            if taken.status != "approved":
                return {at: taken}
        return {}

    async def _counted(self, judgement: Judgement, judged: Sequence[Judged]) -> list[Judged] | None:
        """The calls, refused where a count has no room; None if all were counted."""
        counts = [count for one in judged for count in one.verdict.counts]
        if not counts:
            return None
        if self._memories is None:
            raise StoreUnavailable("closed", "nothing can be counted", sent=False)
        full = await self._memories.count(judgement.agent.agent_id, judgement.conversation, counts)
        if full is None:
            return None
        return [one.refused(full.rule, full.reason) if full in one.verdict.counts else one for one in judged]

    # Rulings, recorded

    async def _released(
        self,
        exchange: Exchange,
        judgement: Judgement,
        facts: Facts,
        judged: Sequence[Judged],
        approvals: Mapping[int, Asked],
    ) -> Ruling:
        """Let them through, unless what they need was used meanwhile. Raises StoreUnavailable."""
        releasing = self._releasing(exchange)
        if releasing is not None and releasing.concerns(judgement, judged):
            if refused := await releasing.release(exchange, judgement, judged):
                told = [one.refused(*refused[id(one.call)]) if id(one.call) in refused else one for one in judged]
                return self._refused(exchange, facts, told)
            entries = self._record(exchange, judgement, facts, judged, approvals)
            return await self._handed_on(exchange, judgement, judged, entries)
        entries = self._record(exchange, judgement, facts, judged, approvals)
        return await self._safe(list(entries.values())) if self.decisions.strict else RELEASE

    async def _handed_on(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], entries: Mapping[int, str]
    ) -> Ruling:
        if self.decisions.strict:  # what is granted can be executed at once
            await self.decisions.durable(list(entries.values()))
        if (releasing := self._releasing(exchange)) is not None:
            decisions = {at: decision_id(entry) for at, entry in entries.items()}
            await releasing.hand_on(exchange, judgement, judged, decisions)
        return RELEASE

    def _record(
        self,
        exchange: Exchange,
        judgement: Judgement,
        facts: Facts,
        judged: Sequence[Judged],
        approvals: Mapping[int, Asked] = {},
    ) -> dict[int, str]:
        """What is let through; the entries, where there is anything to say, by the identity of the call."""
        entries = {}
        for one in judged:
            metadata = {**_approval_id(approvals.get(id(one.call)))}
            if metadata:
                one = one.lifted()
            if one.verdict.step is not None and judgement.intent is not None:
                metadata |= {"intent": judgement.intent.jti, "step": one.verdict.step}
            if entry := self.decisions.record(exchange, facts, one, withheld=False, metadata=metadata):
                entries[id(one.call)] = entry
        return entries

    async def _safe(self, entries: Sequence[str]) -> Ruling:
        await self.decisions.durable(entries)
        return RELEASE

    def _planned(self, exchange: Exchange, facts: Facts, judged: Sequence[Judged]) -> Ruling:
        for one in judged:
            self.decisions.record(exchange, facts, one, withheld=True, metadata={"execution": "plan_only"})
        return Withhold(plan_text([one.call for one in judged]), ())

    def _refused(self, exchange: Exchange, facts: Facts, judged: Sequence[Judged]) -> Ruling:
        denials, error = [], None
        for one in judged:
            entry = self.decisions.record(exchange, facts, one, withheld=True)
            if not one.verdict.allowed:
                name, verdict = tool_name(one.call.name), one.verdict
                denials.append(Denial(name, verdict.rule, verdict.reason, entry and decision_id(entry)))
                error = one if error is None and one.verdict.on_deny.kind == "error" else error
        if error is None:
            return Withhold(refusal_text(denials), tuple(denials))
        exchange.denied.extend(denials)
        return Refusal(_code(error.verdict), error.sentence(), headers=((b"x-gateway-denied", b"%d" % len(denials)),))

    def _not_approved(
        self, exchange: Exchange, facts: Facts, waiting: Mapping[int, Asked], judged: Sequence[Judged]
    ) -> Ruling:
        denials = []
        for one in judged:
            asked = waiting.get(id(one.call))
            if asked is None:
                self.decisions.record(exchange, facts, one, withheld=True)
                continue
            refused, metadata = one.refused(one.verdict.rule, asked.why), {"approval": asked.status}
            metadata |= _approval_id(asked)
            entry = self.decisions.record(exchange, facts, refused, withheld=True, metadata=metadata)
            denials.append(replace(asked.denial, decision_id=entry and decision_id(entry)))
        ruling = not_approved(list(waiting.values()), denials)
        if isinstance(ruling, Refusal):
            exchange.denied.extend(denials)
        return ruling


def _bounded(exchange: Exchange, judgement: Judgement, judged: list[Judged]) -> list[Judged]:
    """The calls, refused where there may not be so many of them in one turn. What is only told may be any number."""
    bound = judgement.rules.most_calls
    if bound is None or judgement.planned or exchange.mcp is not None or len(judged) <= bound[0]:
        return judged
    reason = f"at most {bound[0]} tool {'call' if bound[0] == 1 else 'calls'} may be made at a time"
    return [one if one.stands else one.refused(bound[1], reason) for one in judged]


def _apart(waiting: Sequence[Pending]) -> list[Pending]:
    """Equal calls of one turn are approved one by one, each once: so all of them can be used in the same turn."""
    seen, found = Counter[tuple[str, str]](), list[Pending]()
    for one in waiting:
        call = (one.tool, one.args_hash)
        if place := seen[call]:
            told = f"{one.reason} (call {place + 1} of equal ones in one turn)"
            one = replace(one, args_hash=f"{one.args_hash}/{place}", reason=told)
        seen[call] += 1
        found.append(one)
    return found


def _code(verdict: Verdict) -> str:
    """The code of an error that a denied call ends the answer with."""
    word = verdict.reason.partition(":")[0]
    if word == "intent_required":
        return word
    if verdict.rule == RULE:
        return "intent_exhausted" if word == "uses_exhausted" else "intent_invalid"
    return "tool_call_denied"


def _no_state() -> Refusal:
    return Refusal(
        "state_unavailable",
        "Whether the tool calls may be let through cannot be said while the gateway cannot reach its state.",
        retry_after=1,
    )


def _approval_id(asked: Asked | None) -> Mapping[str, str]:
    return {} if asked is None or asked.approval is None else {"approval_id": asked.approval.approval_id}
