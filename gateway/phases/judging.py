"""judging: what the policies say of a request, before it is sent, and of the tool calls in its answer.

Where no rule is about an agent nothing is made and nothing is looked at. What can be decided in memory is decided at
once; a ruling takes its time only where people are asked or where replicas count together.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.ask import Ask, OfferedTool
from gateway.model.audit import decision_id
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.route import Route
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Judge, Ruling, Wait, Withhold, allow_all
from gateway.phases.approving import Approving, Asked, not_approved
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judged, Judgement, SameTurn, question_of
from gateway.phases.profile import Profile
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts, Memory, Question
from gateway.policy.requests import is_executed_by_provider
from gateway.policy.verdict import Count, RequestVerdict, Verdict
from gateway.store.errors import StoreUnavailable
from gateway.wire import DIALECTS
from gateway.wire.refusal_text import called, plan_text, refusal_text, tool_name

EXECUTION = b"x-gateway-execution"
_SEARCHES = ("web_search", "web_fetch", "file_search", "tool_search")
"""Kinds of tools that providers run and that change nothing."""
_ALLOWED = Verdict(True, "")
_NO_REQUEST = Ask({}, None, False)
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_RUNS_MODELS = re.compile(r"/(assistants|batches|chatkit|evals|realtime|threads)(?:/|\Z)", re.IGNORECASE)
"""Relayed resources with which a provider runs models that call tools, or lets its clients do so past the gateway."""
_NAMED_IN_PATH = re.compile(r"/(?:engines|deployments|models)/([^/]+)/", re.IGNORECASE)


class Memories(Protocol):
    """What agents did lately, on all replicas; see `store.memory`. Both raise StoreUnavailable."""

    async def load(
        self, agent_id: str, conversation: str, keys: Sequence[Count], *, session: str | None = None
    ) -> Memory: ...

    async def count(self, agent_id: str, conversation: str, counts: Sequence[Count]) -> Count | None:
        """Count all of them or, if one has no room, none: then that one."""


class Judging:
    """A gate (`gate`), and who judges the calls of an exchange (`of`).

    Args:
        engine_of: the policies that an exchange is judged by, from end to end.
        modes: the mode of each document for an agent at this moment.
        memories, approving: None: the rules that need them refuse.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine_of: Callable[[Exchange], Engine],
        decisions: Decisions,
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
        memories: Memories | None = None,
        approving: Approving | None = None,
    ) -> None:
        self._engine_of = engine_of
        self.decisions = decisions
        self._modes = modes
        self._clock = clock
        self._memories = memories
        self._approving = approving

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set `exchange.judgement` where rules are about the agent. Raises Refusal for a request they forbid."""
        route, agent = exchange.route, exchange.agent
        if agent is None:
            return None
        if route.dialect is None:
            self._check_relayed(exchange, agent)
            return None
        planned = wants_plan(exchange.request.fields.get(EXECUTION))
        rules = self._engine_of(exchange).of(agent)
        if planned or not (rules.idle and rules.idle_requests):
            exchange.judgement = self._judgement(exchange, agent, rules, planned)
        return None

    def of(self, exchange: Exchange) -> Judge:
        """The judge of this exchange's answer."""
        judgement = exchange.judgement
        if judgement is None:
            return allow_all if self.decisions.note is None else partial(self._note, exchange)
        return partial(self._judge, exchange, judgement)

    # The request

    def _judgement(self, exchange: Exchange, agent: Agent, rules: Rules, planned: bool) -> Judgement:
        judgement = Judgement(agent, rules, None, None, _conversation(exchange), planned)
        ask = exchange.ask
        if ask is None:  # an answer that is fetched later
            if not (planned or rules.idle_requests):
                said = rules.judge_request(_NO_REQUEST, 0, judgement.facts(self._clock(), self._modes(agent)))
                judgement.planned = said.execution == "plan_only"
            return judgement
        judgement.tools = _offered(ask)
        if rules.needs_transcript:
            judgement.transcript = DIALECTS[exchange.route.dialect or ""].transcript(ask.document)
        if not rules.idle_requests:
            facts = judgement.facts(self._clock(), self._modes(agent))
            verdict = rules.judge_request(ask, exchange.plain_size, facts)
            for model in _models_in(exchange.route, ask):
                if verdict.denied is None:
                    verdict = rules.judge_request(replace(ask, model=model), exchange.plain_size, facts)
            self.decisions.record_request(exchange, facts, verdict)
            if verdict.denied is not None:
                raise _refused_request(verdict, verdict.denied)
            judgement.strip, judgement.redact = verdict.strip, verdict.redact
            judgement.planned = planned or verdict.execution == "plan_only"
        if judgement.planned:
            _check_planned(ask, judgement.strip)
        return judgement

    def _check_relayed(self, exchange: Exchange, agent: Agent) -> None:
        """Raise Refusal for a request that would have a model act where nobody judges its calls, unless its action,
        `relay:batches` say, is allowed."""
        found = _RUNS_MODELS.search(exchange.route.path.replace("%2F", "/").replace("%2f", "/"))
        if found is None or exchange.request.method in _READS:
            return
        planned, rules = wants_plan(exchange.request.fields.get(EXECUTION)), self._engine_of(exchange).of(agent)
        if not planned and rules.idle and rules.idle_requests:
            return
        facts = Facts(agent, self._clock(), self._modes(agent))
        if planned or rules.judge_request(_NO_REQUEST, 0, facts).execution == "plan_only":
            raise Refusal("policy_denied", "The request may only be planned (plan_only), but a model would act on it.")
        action = f"relay:{found[1].lower()}"
        verdict = rules.judge_call(Question("", {}, action=action, resource=exchange.route.path), facts)
        if verdict.approval:
            verdict = replace(verdict, allowed=False, reason="it needs approval, and its calls cannot be judged")
        denied = None if verdict.allowed else verdict
        self.decisions.record_request(exchange, facts, RequestVerdict(denied, shadowed=verdict.shadowed))
        if denied is not None:
            raise _refused_request(RequestVerdict(denied), denied)

    # The answer

    def _note(self, exchange: Exchange, calls: Sequence[ToolCall]) -> Ruling:
        """What no rule is about is let through, and only kept."""
        agent, ask = exchange.agent, exchange.ask
        if agent is not None:
            tools = _offered(ask) if ask is not None else None
            facts = Facts(agent, self._clock(), self._modes(agent), tools)
            for call in calls:
                self.decisions.keep(exchange, facts, Judged(call, question_of(call), _ALLOWED))
        return RELEASE

    def _judge(self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling | Wait:
        if judgement.rules.needs_memory:
            return Wait(partial(self._remembering, exchange, judgement, calls))
        return self._ruling(exchange, judgement, calls, None)

    async def _remembering(self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall]) -> Ruling:
        try:
            memory = await self._memory(judgement)
        except StoreUnavailable:
            return _no_state()
        ruling = self._ruling(exchange, judgement, calls, memory)
        return await ruling.ruling() if isinstance(ruling, Wait) else ruling

    async def _memory(self, judgement: Judgement) -> Memory | None:
        if self._memories is None:
            return None
        agent_id, keys = judgement.agent.agent_id, judgement.rules.memory_keys
        return await self._memories.load(agent_id, judgement.conversation, keys, session=judgement.session)

    def _ruling(
        self, exchange: Exchange, judgement: Judgement, calls: Sequence[ToolCall], memory: Memory | None
    ) -> Ruling | Wait:
        facts, judged = self._judged(judgement, calls, memory)
        if any(one.stands or (judgement.planned and not one.verdict.allowed) for one in judged):
            return self._refused(exchange, facts, judged)
        if judgement.planned:
            return self._planned(exchange, facts, judged)
        if any(one.asks or one.verdict.counts for one in judged):
            return Wait(partial(self._weighed, exchange, judgement, judged, facts))
        return self._released(exchange, facts, judged)

    def _judged(
        self, judgement: Judgement, calls: Sequence[ToolCall], memory: Memory | None
    ) -> tuple[Facts, list[Judged]]:
        now, judged = self._clock(), list[Judged]()
        turn = SameTurn(memory, now) if memory is not None and len(calls) > 1 else None
        facts = judgement.facts(now, self._modes(judgement.agent), turn or memory)
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
        try:
            asked = await self._asked(exchange, judgement, judged)
            while asked:
                if waiting := [one for one in asked if one.status != "approved"]:
                    return self._not_approved(exchange, facts, waiting, judged)
                # A mode may have changed since.
                memory = await self._memory(judgement) if judgement.rules.needs_memory else None
                facts, judged = self._judged(judgement, [one.call for one in judged], memory)
                if any(one.stands for one in judged):
                    return self._refused(exchange, facts, judged)
                approved = {id(one.judged.call) for one in asked}
                if all(id(one.call) in approved for one in judged if one.asks):
                    break
                asked = await self._asked(exchange, judgement, judged)
            if full := await self._counted(judgement, judged):
                return self._refused(exchange, facts, full)
            if asked and (gone := await self._take(judgement, asked)):
                return self._not_approved(exchange, facts, [gone], judged)
        except StoreUnavailable:
            return _no_state()
        approvals = {id(one.judged.call): one for one in asked}
        ruling = self._released(exchange, facts, judged, approvals)
        return await ruling.ruling() if isinstance(ruling, Wait) else ruling

    async def _asked(self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]) -> list[Asked]:
        asking = [one for one in judged if one.asks]
        if not asking:
            return []
        if self._approving is None:
            raise Refusal("approval_required", f"{asking[0].sentence()}: a person has to approve it, and none can.")
        return await self._approving.ask(exchange, judgement, [(one, self._hash(one)) for one in asking])

    async def _take(self, judgement: Judgement, asked: Sequence[Asked]) -> Asked | None:
        assert self._approving is not None
        return await self._approving.take(asked, judgement.agent.agent_id)

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
        return [one.over(full) if full in one.verdict.counts else one for one in judged]

    # Rulings, recorded

    def _released(
        self, exchange: Exchange, facts: Facts, judged: Sequence[Judged], approvals: Mapping[int, Asked] = {}
    ) -> Ruling | Wait:
        entries = []
        for one in judged:
            metadata = _approved(approvals.get(id(one.call)))
            if metadata:
                one = Judged(one.call, one.question, _lifted(one.verdict))
            if entry := self.decisions.record(exchange, facts, one, withheld=False, metadata=metadata):
                entries.append(entry)
        return Wait(partial(self._safe, entries)) if entries and self.decisions.strict else RELEASE

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
        return Refusal("tool_call_denied", error.sentence(), headers=((b"x-gateway-denied", b"%d" % len(denials)),))

    def _not_approved(
        self, exchange: Exchange, facts: Facts, asked: Sequence[Asked], judged: Sequence[Judged]
    ) -> Ruling:
        denials, waiting = [], {id(one.judged.call) for one in asked}
        for other in judged:
            if id(other.call) not in waiting:
                self.decisions.record(exchange, facts, other, withheld=True)
        for one in asked:
            denial, approval = one.denial, one.approval
            metadata = {"approval": one.status, **({"approval_id": approval.approval_id} if approval else {})}
            refused = Judged(one.judged.call, one.judged.question, _unlifted(one.judged.verdict, denial.reason))
            entry = self.decisions.record(exchange, facts, refused, withheld=True, metadata=metadata)
            denials.append(replace(denial, decision_id=entry and decision_id(entry)))
        ruling = not_approved(asked, denials)
        if isinstance(ruling, Refusal):
            exchange.denied.extend(denials)
        return ruling

    def _hash(self, judged: Judged) -> str:
        return self.decisions.args_hash(judged.question.tool, judged.question.arguments, judged.question.server)


def wants_plan(wish: bytes | None) -> bool:
    """Whether a caller's header asks for no more than a plan. Raises Refusal for what is no such wish."""
    if wish is None or wish == b"execute_safe":
        return False
    if wish != b"plan_only":
        raise Refusal(
            "invalid_request",
            f"X-Gateway-Execution must be plan_only or execute_safe, not {wish[:40].decode('latin-1')!r}.",
            param="X-Gateway-Execution",
        )
    return True


def _offered(ask: Ask) -> Mapping[str, OfferedTool] | None:
    """None where the provider keeps the conversation and nothing was sent: then nobody can know."""
    if not ask.tools and ask.previous is not None:
        return None
    found = {tool.name: tool for tool in reversed(ask.tools)}
    return found | {f"{tool.namespace}/{tool.name}": tool for tool in ask.tools if tool.namespace is not None}


def _models_in(route: Route, ask: Ask) -> Iterator[str]:
    """Other models than the body's that a path names: some providers go by that and do not look at the body's."""
    found = _NAMED_IN_PATH.search(route.path)
    for model in (route.deployment, None if found is None else found[1]):
        if model is not None and model != ask.model:
            yield model


def _check_planned(ask: Ask, strip: Collection[str]) -> None:
    """Raise Refusal for a request that may only be planned and offers what its provider would run by itself."""
    if isinstance(ask.document.get("prompt"), dict):
        raise Refusal("policy_denied", "The request may only be planned (plan_only), but a stored prompt brings tools.")
    for tool in ask.tools:
        runs_there = is_executed_by_provider(tool.kind, tool.definition)
        if tool.name not in strip and runs_there and not tool.kind.startswith(_SEARCHES):
            raise Refusal(
                "policy_denied",
                f"The request may only be planned (plan_only), but the provider would run {called(tool.name)} itself.",
            )


def _conversation(exchange: Exchange) -> str:
    profile = exchange.profile
    return profile.conversation or "" if isinstance(profile, Profile) else ""


def _refused_request(verdict: RequestVerdict, denied: Verdict) -> Refusal:
    return Refusal(verdict.code, f"The request was refused by rule {denied.rule}: {denied.reason}")


def _no_state() -> Refusal:
    return Refusal(
        "state_unavailable",
        "Whether the tool calls may be let through cannot be said while the gateway cannot reach its state.",
        retry_after=1,
    )


def _approved(asked: Asked | None) -> Mapping[str, str]:
    return {} if asked is None or asked.approval is None else {"approval_id": asked.approval.approval_id}


def _lifted(verdict: Verdict) -> Verdict:
    return replace(verdict, allowed=True, approval=False, reason="approved by a person")


def _unlifted(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, allowed=False, approval=False, reason=reason)
