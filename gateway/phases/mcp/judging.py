"""judging, for MCP: what the policies say of each `tools/call`, before it goes to the server."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from gateway.intents.canonical import args_hash
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.verdict import Judge, Ruling, Wait, Withhold
from gateway.phases.approving import StillHeld
from gateway.phases.judged_call import Judgement
from gateway.phases.judging_requests import EXECUTION, wants_plan
from gateway.phases.mcp.rounds import LIFE_SECONDS, Rounds, is_sealed, wants_more, with_state
from gateway.phases.mcp.state import AskedCall, MCPState, state_of
from gateway.phases.mcp.waiting import QUIET_SECONDS, kept_alive
from gateway.policy.engine import Engine
from gateway.policy.schemas import schema_of
from gateway.store.errors import StoreUnavailable
from gateway.wire.mcp import Era, again_result, denied_result, error_of, planned_result, without_output_schemas
from gateway.wire.mcp_params import check_params

_BY_POLICY = frozenset(
    {"tool_call_denied", "approval_required", "intent_required", "intent_invalid", "intent_exhausted"}
)
"""Refusals that answer one call; all others stop the whole request before anything is sent."""
_LONGEST_WAIT = 3600.0


class Once(Protocol):
    async def __call__(self, agent_id: str, name: str, *, since: float, seconds: int) -> bool: ...


class JudgingCalls:
    """A gate, after those that learn about the tools and before those that count.

    Args:
        engine_of: the policies that an exchange is judged by, from end to end.
        judge_of: who judges, once `exchange.judgement` is set; see `Judging.of` and `Guard.judging`.
        clock: seconds since the epoch. monotonic: monotonic seconds.
        rounds: of calls that people have to approve, or that servers ask more about; None: there is only one.
        once: whether a round of an agent goes on for the first time; raises StoreUnavailable. None: none goes on.
        quiet: seconds after which a caller that waits for a ruling hears something.
    """

    def __init__(
        self,
        engine_of: Callable[[Exchange], Engine],
        judge_of: Callable[[Exchange], Judge],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rounds: Rounds | None = None,
        once: Once | None = None,
        quiet: float = QUIET_SECONDS,
    ) -> None:
        self._engine_of = engine_of
        self._judge_of = judge_of
        self._clock = clock
        self._monotonic = monotonic
        self._rounds = rounds
        self._once = once
        self._quiet = quiet

    async def gate(self, exchange: Exchange) -> None:
        """Set `released` and `answers`. Raises Refusal where nothing may be sent."""
        state, agent = state_of(exchange), exchange.agent
        if agent is None or not (state.calls or state.lists_tools):
            return
        judgement = self._judgement(exchange, agent, state)
        planned = judgement is not None and judgement.planned
        if planned and state.lists_tools:
            state.edits.append(without_output_schemas)
        if state.calls:
            exchange.judgement = judgement
            await self._judge(exchange, state, planned=planned)

    async def _judge(self, exchange: Exchange, state: MCPState, *, planned: bool) -> None:
        judge, released = self._judge_of(exchange), []
        for asked in state.calls:
            if asked.id in state.answers:
                continue  # an earlier gate has said what becomes of it
            _check_params(exchange, state, asked)
            answer = await self._answer(exchange, judge, asked, planned=planned)
            if answer is None:
                released.append(asked)
            else:
                state.answers[asked.id] = answer
        state.released = released
        if exchange.denied:
            exchange.own_headers.append((b"x-gateway-denied", b"%d" % len(exchange.denied)))

    def _judgement(self, exchange: Exchange, agent: Agent, state: MCPState) -> Judgement | None:
        """What the calls are judged by; None where no rule is about the agent."""
        wanted = wants_plan(exchange.request.fields.get(EXECUTION))
        rules = self._engine_of(exchange).of(agent)
        if not wanted and exchange.intent is None and rules.idle and rules.idle_requests:
            return None
        conversation = getattr(exchange.profile, "conversation", None) or ""
        judgement = Judgement(agent, rules, state.tools, None, conversation, wanted)
        judgement.present(exchange.intent)
        judgement.planned = judgement.planned or rules.plans
        return judgement

    async def _answer(
        self, exchange: Exchange, judge: Judge, asked: AskedCall, *, planned: bool
    ) -> dict[str, Any] | None:
        """What the caller gets for a call that is not let through; None where it is."""
        state, id, before = state_of(exchange), asked.id, len(exchange.denied)
        again = self._again(exchange, state, asked)
        try:
            await self._open(exchange, state, asked)
        except StoreUnavailable:
            return error_of(
                Refusal("state_unavailable", "Whether this call may go on is not known.", retry_after=1), id
            )
        said = judge([asked.call])
        ruling = await self._awaited(exchange, said) if isinstance(said, Wait) else said
        if isinstance(ruling, Refusal):
            if ruling.code not in _BY_POLICY:
                raise ruling
            if isinstance(ruling, StillHeld) and again is not None:
                del exchange.denied[before:]
                return again_result(id, again(), ruling)
            return error_of(ruling, id)
        if not isinstance(ruling, Withhold):
            self._seal(exchange, state, asked)
            return None
        exchange.denied.extend(ruling.denied)
        if planned and not ruling.denied:
            return planned_result(id, state.era, ruling.text)
        return denied_result(id, state.era, ruling.text, ruling.denied)

    async def _open(self, exchange: Exchange, state: MCPState, asked: AskedCall) -> None:
        """Know whether this goes on with a call that was let through, and then only once: a server without a memory of
        its own would do the same again. Raises StoreUnavailable."""
        judgement, now = exchange.judgement, self._clock()
        if judgement is not None:
            judgement.continued, judgement.step, judgement.lifted = False, None, None
        sent = asked.message.params.get("requestState")
        mine = self._rounds is not None and state.era is Era.STATELESS and is_sealed(sent)
        about = _about(exchange, state, asked) if mine else None
        known = self._rounds.opened(sent, about) if self._rounds is not None and about is not None else None
        if known is None or about is None:
            return
        state.rounds[asked.id] = known
        intent = None if exchange.intent is None else exchange.intent.jti
        if judgement is None or self._once is None or known.intent != intent or now - known.issued > LIFE_SECONDS:
            return
        if await self._once(about[0], f"round/{known.id}", since=known.issued, seconds=2 * LIFE_SECONDS):
            judgement.continued, judgement.step, judgement.lifted = True, known.step, known.lifted
            state.continued.add(asked.id)

    def _seal(self, exchange: Exchange, state: MCPState, asked: AskedCall) -> None:
        """Let the caller go on with this call where the server asks more about it."""
        rounds, judgement, id, clock = self._rounds, exchange.judgement, asked.id, self._clock
        about = _about(exchange, state, asked) if state.era is Era.STATELESS else None
        if rounds is None or judgement is None or about is None:
            return
        under = (None if exchange.intent is None else exchange.intent.jti, judgement.step, judgement.lifted)

        def edit(message: dict[str, Any]) -> dict[str, Any] | None:
            if "method" in message or message.get("id") != id or not wants_more(message):
                return None
            theirs = message["result"].get("requestState")
            return with_state(message, rounds.seal(about, now=clock(), state=theirs, under=under))

        state.edits.append(edit)

    async def _awaited(self, exchange: Exchange, wait: Wait) -> Ruling:
        """The ruling. It is not the caller or the server that is slow, so the exchange's own times stand still."""
        exchange.wait_for("first_byte", float("inf"), self._monotonic())
        exchange.deadline = self._monotonic() + _LONGEST_WAIT
        try:
            return await kept_alive(exchange, wait.ruling, quiet=self._quiet)
        except Refusal as refusal:
            return refusal

    def _again(self, exchange: Exchange, state: MCPState, asked: AskedCall) -> Callable[[], str] | None:
        """What the caller sends with its next round; None where there is none. Sets `patience` for this one."""
        if self._rounds is None or state.era is not Era.STATELESS or exchange.agent is None:
            return None
        now, about = self._clock(), (exchange.agent.agent_id, state.server.name, asked.call.name)
        since = self._rounds.since(asked.message.params.get("requestState"), *about)
        since = now if since is None else min(since, now)
        state.patience = (self._rounds.seconds, now - since)
        return partial(self._rounds.state, since, *about)


def _about(exchange: Exchange, state: MCPState, asked: AskedCall) -> tuple[str, ...] | None:
    """Agent, server, tool and hash of the arguments; None where they have none."""
    try:
        hashed = args_hash(asked.call.parsed)
    except ValueError:
        return None
    return None if exchange.agent is None else (exchange.agent.agent_id, state.server.name, asked.call.name, hashed)


def _check_params(exchange: Exchange, state: MCPState, asked: AskedCall) -> None:
    """Raise MCPRefusal where headers say another thing than the arguments, as far as the tool is known."""
    tool = None if state.tools is None or state.era is not Era.STATELESS else state.tools.get(asked.call.name)
    if tool is not None:
        check_params(schema_of(tool), asked.call.parsed, exchange.request.headers)
