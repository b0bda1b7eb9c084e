"""past_calls: calls that a provider shows again, in lists of what it has stored and in answers that are fetched anew.

What was withheld once stays withheld, what the policies deny today is not shown, and what needs a person is shown where
the agent was given it. Nobody is asked, nothing is counted and nothing recorded: a list executes nothing.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Judge, Ruling, Wait, Withhold
from gateway.phases.judged_call import Judged, Judgement, question_of
from gateway.phases.judging import Memories
from gateway.phases.judging_requests import EXECUTION, wants_plan
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts
from gateway.store.errors import StoreUnavailable
from gateway.store.given_calls import Found
from gateway.wire.refusal_text import plan_text, refusal_text, tool_name
from gateway.wire.stored_lists import kind_of

_SHOWN = frozenset({"GET", "POST"})
_WITHHELD = "the call was withheld when it was proposed"


class Given(Protocol):
    """The calls agents were given; see `store.given_calls`."""

    async def find(self, agent_id: str, call_ids: Collection[str]) -> Found: ...


@dataclass(frozen=True, slots=True)
class PastJudgement:
    """What the calls of a list are judged by."""

    agent: Agent
    rules: Rules
    planned: bool


class PastCalls:
    """A gate (`gate`) and its judges (`of`).

    Args:
        engine_of: the policies that an exchange is judged by.
        judges: who judges all other calls.
        modes, clock, memories: see `Judging`.
    """

    def __init__(
        self,
        engine_of: Callable[[Exchange], Engine],
        judges: Callable[[Exchange], Judge],
        given: Given,
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
        memories: Memories | None = None,
    ) -> None:
        self._engine_of = engine_of
        self._judges = judges
        self._given = given
        self._modes = modes
        self._clock = clock
        self._memories = memories

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set `exchange.judgement` of a list where rules are about calls of the agent."""
        agent, route = exchange.agent, exchange.route
        if route.dialect is not None or agent is None or exchange.request.method not in _SHOWN:
            return None
        if kind_of(route.path) is None:
            return None
        rules = self._engine_of(exchange).of(agent)
        planned = wants_plan(exchange.request.fields.get(EXECUTION))
        planned = planned or rules.plans
        if planned or not rules.idle:
            exchange.judgement = PastJudgement(agent, rules, planned)
        return None

    def of(self, exchange: Exchange) -> Judge:
        """The judge of this exchange's answer."""
        judgement, judge = exchange.judgement, self._judges(exchange)
        if isinstance(judgement, PastJudgement):
            return lambda calls: Wait(partial(self._shown, judgement, calls))
        if isinstance(judgement, Judgement) and exchange.ask is None:
            return lambda calls: Wait(partial(self._fetched, judge, judgement, calls))
        return judge

    async def _fetched(self, judge: Judge, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling:
        """An answer that was made in the background is seen for the first time; all others were judged before."""
        past = PastJudgement(judgement.agent, judgement.rules, judgement.planned)
        found = await self._find(past, calls)
        if found.calls:
            return await self._ruling(past, calls, found)
        ruling = judge(calls)
        return await ruling.ruling() if isinstance(ruling, Wait) else ruling

    async def _shown(self, judgement: PastJudgement, calls: Sequence[ToolCall]) -> Ruling:
        return await self._ruling(judgement, calls, await self._find(judgement, calls))

    async def _find(self, judgement: PastJudgement, calls: Sequence[ToolCall]) -> Found:
        return await self._given.find(judgement.agent.agent_id, [call.id for call in calls if call.id])

    async def _ruling(self, judgement: PastJudgement, calls: Sequence[ToolCall], found: Found) -> Ruling:
        rules, agent = judgement.rules, judgement.agent
        facts = Facts(agent, self._clock(), self._modes(agent))
        try:
            if rules.needs_memory and self._memories is not None:
                facts.memory = await self._memories.load(agent.agent_id, "", rules.memory_keys)
        except StoreUnavailable:
            return Refusal(
                "state_unavailable",
                "Whether stored tool calls may be shown cannot be said while the gateway cannot reach its state.",
                retry_after=1,
            )
        denials = []
        for call in calls:
            question = question_of(call)
            denial = _denial(Judged(call, question, rules.judge_call(question, facts)), found)
            if denial is not None:
                denials.append(denial)
        if denials:
            return Withhold(refusal_text(denials), tuple(denials))
        return Withhold(plan_text(calls), ()) if judgement.planned else RELEASE


def _denial(judged: Judged, found: Found) -> Denial | None:
    call, verdict = judged.call, judged.verdict
    known = found.calls.get(call.id or "")
    if judged.stands:
        return Denial(tool_name(call.name), verdict.rule, verdict.reason)
    if known is not None and known.withheld:
        return Denial(tool_name(call.name), verdict.rule or "withheld", _WITHHELD)
    if judged.asks and not (known is not None and known.tool and call.name.startswith(known.tool)):
        return Denial(tool_name(call.name), verdict.rule, verdict.reason)
    return None
