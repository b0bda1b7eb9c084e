"""releasing: what is written down when calls that were judged are let through: uses of an intent, grants, call tokens.

A call that a model proposes uses a step and is granted; the same call, executed at an MCP server, joins that use and
takes that grant. Whatever cannot be written down is not let through.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.intents.canonical import args_hash
from gateway.intents.claims import LONGEST_CALL, CallClaims, IntentClaims, TokenProblem
from gateway.model.exchange import Exchange
from gateway.phases.bound import Bound
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judged, Judgement
from gateway.policy.engine import Rules
from gateway.policy.intending import RULE
from gateway.policy.question import Intent, Question
from gateway.store.call_digest import approved_digest, call_digest, call_digests
from gateway.store.call_tokens import ReleasedCall
from gateway.store.intent_uses import Use, Used
from gateway.wire.mcp import CALL_KEY

UNSANCTIONED = "unsanctioned_call"
"""The finding about a call that was to be executed and that no model has proposed."""


class Uses(Protocol):
    """How often steps of intents were used (`store.intents`). Every method raises StoreUnavailable, TokenProblem."""

    async def used(self, claims: IntentClaims, digests: Sequence[str] = ()) -> Used: ...

    async def use(self, claims: IntentClaims, uses: Sequence[Use]) -> None: ...

    async def join(self, claims: IntentClaims, use: Use) -> bool: ...


class Grants(Protocol):
    """Which calls may be executed (`store.grants`). Every method raises StoreUnavailable."""

    async def any(self, agent_id: str, digests: Sequence[str]) -> bool: ...

    async def mint(self, agent_id: str, digests: Sequence[str]) -> None: ...

    async def consume(self, agent_id: str, digests: Sequence[str]) -> bool: ...


class Tokens(Protocol):
    """What call tokens will say (`store.call_tokens`). Raises StoreUnavailable."""

    async def save(self, agent_id: str, calls: list[ReleasedCall]) -> None: ...


NO_FORM = "arguments_mismatch: its arguments have no exact form (RFC 8785)"

_UNGRANTED = "grant_required: no model has proposed exactly this call"

Refused = Mapping[int, tuple[str, str]]
"""Rule and reason against calls that may not be released after all, by the identity of the call."""


class Releasing(Protocol):
    """What is written down when calls are let through. Every method raises StoreUnavailable."""

    def looks_up(self, judgement: Judgement) -> bool: ...

    async def bound(self, judgement: Judgement, questions: Sequence[Question]) -> Intent | None: ...

    async def approved(self, judgement: Judgement, judged: Judged) -> bool: ...

    def concerns(self, judgement: Judgement, judged: Sequence[Judged]) -> bool: ...

    async def release(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]
    ) -> Mapping[int, tuple[str, str]]: ...

    async def hand_on(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], decisions: Mapping[int, str]
    ) -> None: ...


class Proposed:
    """Of calls in the answer of a model."""

    def __init__(self, uses: Uses, grants: Grants, tokens: Tokens) -> None:
        self._uses = uses
        self._grants = grants
        self._tokens = tokens

    def looks_up(self, judgement: Judgement) -> bool:
        """Whether anything has to be read before calls are judged."""
        return judgement.intent is not None

    async def bound(self, judgement: Judgement, questions: Sequence[Question]) -> Bound | None:
        """What the intent says of the next calls. Raises StoreUnavailable."""
        intent = judgement.intent
        return None if intent is None else Bound(intent, await used_of(self._uses, intent))

    async def approved(self, judgement: Judgement, judged: Judged) -> bool:
        """Whether a person has approved exactly this before: people are asked about what a model proposes."""
        return False

    def concerns(self, judgement: Judgement, judged: Sequence[Judged]) -> bool:
        """Whether anything has to be written down."""
        return _grants(judgement) or any(one.verdict.step is not None or one.asks for one in judged)

    async def release(self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]) -> Refused:
        """Use what they need, or say which may not pass. Raises StoreUnavailable."""
        intent, uses = judgement.intent, []
        for at, one in enumerate(judged):
            if one.verdict.step is not None:
                name = CallNames(judgement.rules, one.question)
                if not name.hash:
                    return {id(one.call): (RULE, NO_FORM)}
                uses.append(Use(one.verdict.step, f"{exchange.id}/{one.call.turn}/{at}", exchange.id, (name.digest,)))
        if intent is not None and uses:
            try:
                await self._uses.use(intent, uses)
            except TokenProblem as problem:
                return {id(one.call): (RULE, str(problem)) for one in judged if one.verdict.step is not None}
        return {}

    async def hand_on(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], decisions: Mapping[int, str]
    ) -> None:
        """Let them be executed, each once. Raises StoreUnavailable.

        Args:
            decisions: the ids of the decisions that allow them, by the identity of the call.
        """
        agent_id, granted, calls = judgement.agent.agent_id, list[str](), list[ReleasedCall]()
        for one in judged:
            name = CallNames(judgement.rules, one.question)
            if not name.hash or not _is_once(exchange, one):
                continue
            own = [name.digest] if _grants(judgement) else []
            if one.asks:
                own.append(approved_digest(one.verdict.rule, name.digest))
            granted += own
            if one.call.id and _is_told(one):
                calls.append(
                    ReleasedCall(
                        one.call.id,
                        name.own,
                        name.server,
                        name.hash,
                        decisions.get(id(one.call), exchange.id),
                        _intent_id(judgement, one),
                        step=one.verdict.step,
                        digest=name.digest,
                        grants=tuple(own),
                    )
                )
        writing = [self._grants.mint(agent_id, granted)] if granted else []
        await asyncio.gather(*writing, *([self._tokens.save(agent_id, calls)] if calls else []))


class Executed:
    """Of calls that go to an MCP server.

    Args:
        sign: makes a call token; raises StoreUnavailable.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        uses: Uses,
        grants: Grants,
        decisions: Decisions,
        sign: Callable[[CallClaims], str],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._uses = uses
        self._grants = grants
        self._decisions = decisions
        self._sign = sign
        self._clock = clock

    def looks_up(self, judgement: Judgement) -> bool:
        """As of `Proposed`."""
        return judgement.intent is not None or judgement.rules.judges_once

    async def bound(self, judgement: Judgement, questions: Sequence[Question]) -> Bound | None:
        """As of `Proposed`; calls come one by one here. Says whether a model has proposed this one: then it was counted
        and judged by its conversation, which nobody knows here."""
        intent, digests = judgement.intent, CallNames(judgement.rules, questions[0]).digests
        if judgement.rules.judges_once:
            judgement.proposed = await self._grants.any(judgement.agent.agent_id, digests)
        if intent is None:
            return None
        return Bound(intent, await used_of(self._uses, intent, digests), executing=True)

    async def approved(self, judgement: Judgement, judged: Judged) -> bool:
        """As of `Proposed`; an approval is used up by this. Raises StoreUnavailable."""
        digests = CallNames(judgement.rules, judged.question).digests
        approvals = [approved_digest(judged.verdict.rule, digest) for digest in digests]
        return await self._grants.consume(judgement.agent.agent_id, approvals)

    def concerns(self, judgement: Judgement, judged: Sequence[Judged]) -> bool:
        return _grants(judgement) or any(one.verdict.step is not None for one in judged)

    async def release(self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged]) -> Refused:
        """As of `Proposed`. Says to the server, where it concerns the call, what was decided."""
        for at, one in enumerate(judged):
            refused = await self._execute(exchange, judgement, one, at)
            if refused is not None:
                return {id(one.call): refused}
        return {}

    async def _execute(
        self, exchange: Exchange, judgement: Judgement, judged: Judged, at: int
    ) -> tuple[str, str] | None:
        verdict, agent_id = judged.verdict, judgement.agent.agent_id
        name = CallNames(judgement.rules, judged.question)
        if not name.hash and _is_told(judged):
            return (verdict.grant.rule if verdict.grant is not None else RULE), NO_FORM
        grant, taken = verdict.grant, False
        if grant is not None or judgement.proposed:
            taken = await self._grants.consume(agent_id, name.digests)
        if grant is not None and not taken:
            self._decisions.record_finding(
                exchange, judgement.agent, judged, UNSANCTIONED, rule=grant.rule, allowed=not grant.required
            )
            if grant.required:
                return grant.rule, _UNGRANTED
        if judgement.proposed and not taken:
            return verdict.rule, _UNGRANTED
        if verdict.step is not None and judgement.intent is not None:
            use = Use(verdict.step, f"{exchange.id}/{judged.call.turn}/{at}", exchange.id, name.digests)
            try:
                await self._uses.join(judgement.intent, use)
            except TokenProblem as problem:
                return RULE, str(problem)
        return None

    async def hand_on(
        self, exchange: Exchange, judgement: Judgement, judged: Sequence[Judged], decisions: Mapping[int, str]
    ) -> None:
        """Tell the server what was decided, of calls with an intent or a grant."""
        for one in judged:
            judgement.step = one.verdict.step
            if _is_told(one):
                self._tell(exchange, judgement, one, decisions.get(id(one.call), exchange.id))

    def _tell(self, exchange: Exchange, judgement: Judgement, judged: Judged, decision: str) -> None:
        state, call, now = exchange.mcp, judged.call, self._clock()
        name = CallNames(judgement.rules, judged.question)
        claims = CallClaims(
            f"cal_{secrets.token_hex(12)}",
            judgement.agent.agent_id,
            state.server.name,
            name.own,
            call.id or exchange.id,
            name.hash,
            _intent_id(judgement, judged),
            state.definition_hashes.get(call.name),
            decision,
            now,
            now + LONGEST_CALL,
        )
        message = next(asked.message for asked in state.calls if asked.call is call)
        state.added.setdefault(message.id, {})[CALL_KEY] = self._sign(claims)
        if state.operation is not None:
            state.operation.call_id = claims.jti


class CallNames:
    """What a call is known as, from the model that proposes it to the server that executes it.

    `hash` is empty where the arguments have no exact form: then nothing is granted, and no step used.
    """

    __slots__ = ("_normal", "hash", "own", "server")

    def __init__(self, rules: Rules, question: Question) -> None:
        self.own = rules.own_name(question)
        self.server, self._normal = rules.named(question)
        self.hash = _hash(question.arguments)

    @property
    def digest(self) -> str:
        return call_digest(self.server, self._normal, self.hash)

    @property
    def digests(self) -> tuple[str, ...]:
        return call_digests(self.server, self._normal, self.hash)


def _grants(judgement: Judgement) -> bool:
    """Whether it matters at an MCP server what models have proposed."""
    return judgement.rules.grants or judgement.rules.judges_once


def _is_told(judged: Judged) -> bool:
    """Whether what executes the call may ask who allowed it."""
    return judged.verdict.step is not None or judged.verdict.grant is not None


def _is_once(exchange: Exchange, judged: Judged) -> bool:
    """Whether it is let through no more often than it was proposed. An answer that is fetched may be fetched again, by
    several at a time and by other agents: there only uses and approvals are counted over all of that."""
    return exchange.ask is not None or judged.verdict.step is not None or judged.asks


def _intent_id(judgement: Judgement, judged: Judged) -> str | None:
    return judgement.intent.jti if judgement.intent is not None and judged.verdict.step is not None else None


def _hash(arguments: Any) -> str:
    try:
        return args_hash(arguments)
    except ValueError:
        return ""


async def used_of(uses: Uses, intent: IntentClaims, digests: Sequence[str] = ()) -> Used | None:
    """None where it is not known any more. Raises StoreUnavailable."""
    try:
        return await uses.used(intent, digests)
    except TokenProblem:
        return None
