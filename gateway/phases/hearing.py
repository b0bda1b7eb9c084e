"""hearing: what a request reports of earlier calls: whether they were let through, and what untrusted tools gave.

Where no rule is about a tool of the agent nothing is looked at. A result of a call that was refused or never proposed
is recorded, and its request refused where a policy in force has an entry for the tool. Of that, only results that no
model has seen yet count, the last 64 of them, with the id of a call. Calls are known for a day at least, from when the
first entry for a tool was in force or in shadow. Nothing is said against a result that may be one of a call that nobody
remembers: past 10,000 calls of its agent in a day, and while Redis is away.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.transcript import Said, Transcript
from gateway.model.verdict import Judge, Release, Ruling, Wait
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judgement
from gateway.policy.reported import named, newest
from gateway.store.errors import StoreUnavailable
from gateway.store.given_calls import Found, GivenCall
from gateway.wire import DIALECTS
from gateway.wire.refusal_text import called

_LOOKED_AT = 64


class Given(Protocol):
    """The calls agents were given; see `store.given_calls`."""

    def note(self, agent_id: str, calls: Sequence[GivenCall]) -> None: ...

    async def find(self, agent_id: str, call_ids: Collection[str]) -> Found: ...


class Reading(Protocol):
    """What sessions have read; see `store.memory`."""

    async def note_results(
        self,
        agent_id: str,
        session: str,
        transcript: Transcript,
        *,
        untrusted: Collection[str],
        name: Callable[[str], str],
    ) -> None: ...


class Hearing:
    """A gate (`gate`) after that of JudgingRequests, and its judges (`of`), whose rulings are remembered.

    Args:
        judges: who judges the calls of an exchange.
    """

    def __init__(
        self, judges: Callable[[Exchange], Judge], given: Given, reading: Reading, decisions: Decisions
    ) -> None:
        self._judges = judges
        self._given = given
        self._reading = reading
        self._decisions = decisions

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises Refusal for a request that reports what cannot have happened."""
        judgement, ask = exchange.judgement, exchange.ask
        if not isinstance(judgement, Judgement) or ask is None:
            return None
        if judgement.transcript is not None and b"x-agent-session" not in exchange.request.fields:
            judgement.session = judgement.transcript.thread
        ids = [result.call_id for result in ask.results[-_LOOKED_AT:] if result.call_id]
        looks_up = bool(ids) and judgement.rules.governs
        reads = judgement.transcript is not None and judgement.rules.needs_memory and bool(judgement.rules.untrusted)
        return self._hear(exchange, judgement, ids if looks_up else [], reads) if looks_up or reads else None

    def of(self, exchange: Exchange) -> Judge:
        """The judge of this exchange's answer."""
        judge, judgement = self._judges(exchange), exchange.judgement
        return partial(self._remember, judge, judgement) if isinstance(judgement, Judgement) else judge

    # The request

    async def _hear(self, exchange: Exchange, judgement: Judgement, ids: Sequence[str], reads: bool) -> None:
        if ids:
            found = await self._given.find(judgement.agent.agent_id, ids)
            if judgement.transcript is not None:
                tools = {call_id: call.tool for call_id, call in found.calls.items()}
                judgement.transcript = named(judgement.transcript, tools)
            self._doubt(exchange, judgement, ids, found)
        if reads and judgement.transcript is not None:
            await self._read(judgement, judgement.transcript)

    async def _read(self, judgement: Judgement, transcript: Transcript) -> None:
        try:
            await self._reading.note_results(
                judgement.agent.agent_id,
                judgement.session or judgement.conversation,
                transcript,
                untrusted=judgement.rules.untrusted,
                name=judgement.rules.known_as,
            )
        except StoreUnavailable:
            raise Refusal(
                "state_unavailable",
                "The request reports untrusted text, which the gateway cannot keep in mind at the moment.",
                retry_after=1,
            ) from None

    def _doubt(self, exchange: Exchange, judgement: Judgement, ids: Sequence[str], found: Found) -> None:
        withheld = {call.call_id for call in found.calls.values() if call.withheld}
        strange = {one for one in ids if one not in found.calls} if found.complete else set()
        if not (withheld or strange) or exchange.ask is None:
            return
        transcript = judgement.transcript or DIALECTS[exchange.route.dialect or ""].transcript(exchange.ask.document)
        denied: Refusal | None = None
        for said in newest(transcript, withheld | strange):
            reason = "the call was refused" if said.call_id in withheld else "no such call was let through"
            denied = self._recorded(exchange, judgement, said, found.calls, reason) or denied
        if denied is not None:
            raise denied

    def _recorded(
        self, exchange: Exchange, judgement: Judgement, said: Said, calls: Mapping[str, GivenCall], reason: str
    ) -> Refusal | None:
        """Record a result that cannot be; the refusal of its request where a rule in force governs the tool."""
        known = calls.get(said.call_id or "")
        tool = known.tool if known is not None else said.tool or ""
        governing = judgement.rules.governing(tool)
        rule, policy = (f"{governing[0]}/result", governing[1]) if governing is not None else ("result", None)
        self._decisions.record_result(
            exchange, judgement.agent, tool, allowed=governing is None, rule=rule, policy=policy, reason=reason
        )
        if governing is None:
            return None
        message = (
            f"The request was refused by rule {rule}: it reports a result of a call to {called(tool)}, but {reason}."
        )
        return Refusal("policy_denied", message)

    # The answer

    def _remember(self, judge: Judge, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling | Wait:
        ruling = judge(calls)
        if isinstance(ruling, Wait):
            return Wait(partial(self._remember_later, ruling, judgement, calls))
        self._note(judgement, calls, ruling)
        return ruling

    async def _remember_later(self, wait: Wait, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling:
        ruling = await wait.ruling()
        self._note(judgement, calls, ruling)
        return ruling

    def _note(self, judgement: Judgement, calls: Sequence[ToolCall], ruling: Ruling) -> None:
        """What was withheld is remembered under any rules: a provider may show it again."""
        agent_id, withheld = judgement.agent.agent_id, not isinstance(ruling, Release)
        if not (withheld or judgement.rules.governs):
            return
        if noted := [GivenCall(call.id, call.name, withheld) for call in calls if call.id]:
            self._given.note(agent_id, noted)
