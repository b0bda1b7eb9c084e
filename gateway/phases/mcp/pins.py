"""pins: tools of MCP servers are used as they were when somebody could look at them, and not otherwise.

A call to a tool whose definition has changed waits for an operator's word, and so, where a policy says `new_tools:
hold`, does one to a tool that appeared after the server was first used. Calls are held to the pinned schemas.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from gateway.model.agent import Agent
from gateway.model.audit import decision_id
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.value import value
from gateway.model.verdict import Denial
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judged, question_of
from gateway.phases.mcp.catalog import Catalog, Known
from gateway.phases.mcp.state import AskedCall, MCPState, state_of
from gateway.phases.mcp.tool_findings import ToolFindings
from gateway.phases.mcp.tool_lists import ToolLists
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts
from gateway.policy.verdict import Verdict
from gateway.store.approval_record import Approval, Pending
from gateway.store.approvals import TooManyPending
from gateway.store.errors import StoreUnavailable
from gateway.store.tool_definitions import differences
from gateway.store.tool_pins import Pin, ToolPins, approvals_of
from gateway.wire.mcp import denied_result
from gateway.wire.refusal_text import refusal_text, tool_name

RULE = "tools/definition"
_LIST = "tools/list"


class Asking(Protocol):
    """What people are asked; see `store.approvals`. Raises StoreUnavailable, TooManyPending."""

    async def ask(self, pending: Pending) -> Approval: ...


@value
class HeldCall:
    """Why a call is not made now. `pin` None: the server lists no such tool."""

    asked: AskedCall
    pin: Pin | None
    rule: str
    reason: str
    policy: str | None = None


class HeldTools:
    """A gate before the calls are judged, and what cuts lists.

    Args:
        engine_of: the policies that an exchange is judged by.
        modes: the mode of each document for an agent at this moment.
        approvals: None: only operators that look find out what waits.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        catalog: Catalog,
        pins: ToolPins,
        findings: ToolFindings,
        decisions: Decisions,
        engine_of: Callable[[Exchange], Engine],
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
        approvals: Asking | None = None,
    ) -> None:
        self._catalog = catalog
        self._pins = pins
        self._findings = findings
        self._decisions = decisions
        self._engine_of = engine_of
        self._modes = modes
        self._clock = clock
        self._approvals = approvals
        self._lists = ToolLists(catalog, pins, findings)

    def gate(self, exchange: Exchange) -> Any:
        """Set `tools`, `definition_hashes`, `cut`, and what `answers` say of calls that are held. Raises Refusal."""
        state, agent = state_of(exchange), exchange.agent
        if agent is None:
            return None
        state.tools_changed = partial(self._catalog.stale, state.server)
        rules = self._engine_of(exchange).of(agent)
        asking = _lists(exchange, state)
        if asking is None or asking:
            state.cut = self._lists.cut(exchange, rules, partial(self._facts, agent), asking)
        if not (state.calls or asking):
            return None
        known = self._catalog.known(state.server)
        if known is None or self._is_behind(state, known):
            return self._after_a_look(exchange, agent, rules)
        return self._apply(exchange, agent, rules, known)

    def _is_behind(self, state: MCPState, known: Known) -> bool:
        """Whether something else is pinned by now than what was seen here, and can only be what was approved since."""
        pins = self._pins.of(state.server.name) or {}
        for asked in state.calls:
            pin, own = pins.get(asked.call.name), known.definitions.get(asked.call.name)
            if own is not None and pin is not None and pin.state in ("pinned", "new") and own.hash != pin.pinned:
                return not known.failed
        return False

    async def _after_a_look(self, exchange: Exchange, agent: Agent, rules: Rules) -> None:
        try:
            known = await self._catalog.look(state_of(exchange).server)
        except StoreUnavailable:
            raise Refusal(
                "state_unavailable",
                "Which definitions of tools may be used cannot be said while the gateway cannot reach its state.",
                retry_after=1,
            ) from None
        waiting = self._apply(exchange, agent, rules, known)
        if waiting is not None:
            await waiting

    def _apply(self, exchange: Exchange, agent: Agent, rules: Rules, known: Known | None) -> Any:
        state = state_of(exchange)
        pins = self._pins.of(state.server.name) or {}
        if known is not None and (known.offered or not known.failed):
            state.tools = known.offered
        names = {asked.call.name for asked in state.calls}
        state.definition_hashes = {
            name: pin.pinned for name in names if (pin := pins.get(name)) is not None and pin.pinned is not None
        }
        if state.calls:
            state.observers.append(self._findings.look_at(exchange))
        held = [one for asked in state.calls if (one := _held(asked, pins, rules)) is not None]
        if not held:
            return None
        if rules.shadow:
            for one in held:
                self._record(exchange, agent, one, Verdict(True, "", shadowed=((one.rule, one.reason),)))
            return None
        return self._hold(exchange, agent, held)

    async def _hold(self, exchange: Exchange, agent: Agent, held: Sequence[HeldCall]) -> None:
        state = state_of(exchange)
        for one in held:
            approval = await self._asked(exchange, one)
            if await self._is_approved(exchange, one, approval):
                continue
            reason = one.reason + _status(approval)
            verdict = Verdict(False, one.rule, reason, policy=one.policy)
            entry = self._record(exchange, agent, one, verdict)
            denial = Denial(tool_name(one.asked.call.name), one.rule, reason, entry and decision_id(entry))
            exchange.denied.append(denial)
            state.answers[one.asked.id] = denied_result(one.asked.id, state.era, refusal_text([denial]), [denial])

    async def _asked(self, exchange: Exchange, held: HeldCall) -> Approval | None:
        """What people were asked: once for each definition, whoever calls the tool. None: they could not be asked."""
        pin, name, server = held.pin, held.asked.call.name, state_of(exchange).server.name
        if self._approvals is None or pin is None or pin.seen is None or pin.problem is not None:
            return None
        with suppress(StoreUnavailable, TooManyPending):
            kept = await self._pins.definitions(server, {one for one in (pin.pinned, pin.seen) if one is not None})
            before = kept.get(pin.pinned or "", {}) if pin.state == "changed" else {}
            shown = {"changes": differences(before, kept.get(pin.seen, {})), "found": list(pin.findings)}
            about = (*approvals_of(server, name), shown, held.rule, held.reason)
            what = Pending("tool_definition", *about, request_id=exchange.id, args_hash=pin.seen)
            return await self._approvals.ask(what)
        return None

    async def _is_approved(self, exchange: Exchange, held: HeldCall, approval: Approval | None) -> bool:
        """Whether a person said yes, and it is pinned by now."""
        if approval is None or approval.status != "approved":
            return False
        with suppress(StoreUnavailable):
            await self._pins.approved(approval)
        pin = (self._pins.of(state_of(exchange).server.name) or {}).get(held.asked.call.name)
        return pin is not None and pin.state == "pinned"

    def _record(self, exchange: Exchange, agent: Agent, held: HeldCall, verdict: Verdict) -> str | None:
        call = held.asked.call
        judged = Judged(call, question_of(call), verdict)
        return self._decisions.record(exchange, self._facts(agent), judged, withheld=not verdict.allowed)

    def _facts(self, agent: Agent) -> Facts:
        return Facts(agent, self._clock(), self._modes(agent))


def _lists(exchange: Exchange, state: MCPState) -> set[Any] | None:
    """The requests for lists; None for a stream in which any answer may come again."""
    if exchange.request.method == "GET":
        return None
    if state.body is None:
        return set()
    return {message.id for message in state.body.messages if message.method == _LIST and message.is_request}


def _held(asked: AskedCall, pins: Mapping[str, Pin], rules: Rules) -> HeldCall | None:
    pin, new_tools = pins.get(asked.call.name), rules.new_tools
    if pin is None:
        if new_tools is None:
            return None
        reason = "the server does not list this tool to the gateway, so nobody could approve it"
        return HeldCall(asked, None, new_tools[0], reason, new_tools[1])
    if pin.state == "seen":
        return HeldCall(asked, pin, RULE, f"its definition cannot be pinned: {pin.problem}")
    if pin.state == "changed":
        reason = (
            "the server has changed its definition since it was approved, and an operator has to approve the new one"
        )
        return HeldCall(asked, pin, RULE, reason)
    if pin.state == "new" and new_tools is not None:
        reason = "the tool is new, and an operator has to approve it"
        return HeldCall(asked, pin, new_tools[0], reason, new_tools[1])
    return None


def _status(approval: Approval | None) -> str:
    if approval is None:
        return ""
    if approval.status == "rejected":
        return f" (rejected: {approval.approval_id})"
    return f" ({approval.approval_id})"
