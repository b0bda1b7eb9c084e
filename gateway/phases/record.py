"""record: what was decided about an exchange, written before anything is forwarded, and how it ended.

One decision and one outcome an exchange; one that was refused has the outcome alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.model.audit import AuditEntry
from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.mcp.state import MCPState
from gateway.spool.errors import AuditUnavailable

_LONGEST = 300  # characters of a path, a model's or tool's name, a reason
_MOST_NAMES = 64
_MOST_RESOURCES = 1000


class Log(Protocol):
    """The audit record."""

    def append(self, entry: AuditEntry) -> str: ...

    def later(self, entry: AuditEntry) -> None: ...

    async def durable(self, entry_id: str) -> None: ...


class Record:
    """`decide` is the last gate of `admit`; `outcome` an observer of `settle`.

    Args:
        wall_clock: seconds since the epoch.
        strict: wait until a decision is safe from a loss of power.
        allow_reads: while nothing can be recorded, let pass what offers the model no tools. `unrecorded` counts these.
        redact: takes keys out of text that callers have chosen: paths, names of models.
    """

    def __init__(
        self,
        log: Log,
        *,
        wall_clock: Callable[[], float],
        strict: bool = False,
        allow_reads: bool = False,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._redact = redact
        self.unrecorded = 0
        self._log = log
        self._wall_clock = wall_clock
        self._strict = strict
        self._allow_reads = allow_reads
        self._resources: dict[str, str] = {}

    def decide(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set `exchange.decision`. Raises Refusal if it cannot be recorded."""
        agent = exchange.agent
        action, resource = _what(exchange)
        try:
            exchange.decision = self._log.append(
                AuditEntry(
                    self._wall_clock(),
                    "decision",
                    action,
                    "gateway",
                    exchange.id,
                    agent.agent_id if agent else None,
                    self._shown(resource),
                    metadata=_remedies(exchange),
                )
            )
        except AuditUnavailable:
            self._unrecorded(exchange)
            return None
        return self._safe(exchange, exchange.decision) if self._strict else None

    def outcome(self, exchange: Exchange, vitals: Vitals) -> None:
        failure = exchange.failure
        rule: str | None = None
        reason: str | None = None
        action, resource = _what(exchange)
        if isinstance(failure, Refusal):
            rule, reason = failure.code, self._redact(failure.message)[:_LONGEST]
        self._log.later(
            AuditEntry(
                vitals.time,
                "outcome",
                action,
                "gateway",
                exchange.id,
                vitals.agent_id,
                self._shown(resource),
                allowed=exchange.decision is not None or rule is None,
                rule=rule,
                reason=reason,
                result=_result(failure, vitals.status),
                of=exchange.decision,
                metadata=_numbers(exchange, vitals),
            )
        )

    def _shown(self, resource: str) -> str:
        """A model's name or a path as it is recorded. Twice an exchange, and nearly always one of a few."""
        shown = self._resources.get(resource)
        if shown is None:
            shown = self._redact(resource)[:_LONGEST]
            if len(resource) <= _LONGEST:  # callers name them: what is kept must not grow with them
                if len(self._resources) >= _MOST_RESOURCES:
                    self._resources.clear()
                self._resources[resource] = shown
        return shown

    async def _safe(self, exchange: Exchange, decision: str) -> None:
        try:
            await self._log.durable(decision)
        except AuditUnavailable:
            self._unrecorded(exchange)

    def _unrecorded(self, exchange: Exchange) -> None:
        reads = exchange.ask is not None and not exchange.ask.tools
        if not (self._allow_reads and reads):
            raise Refusal(
                "audit_unavailable",
                "The gateway cannot record this request at the moment, so it does not forward it.",
                retry_after=1,
            )
        self.unrecorded += 1
        exchange.own_headers.append((b"x-gateway-degraded", b"audit"))


def _what(exchange: Exchange) -> tuple[str, str]:
    """Action and resource: a model or a tool is called, or a path is relayed."""
    ask = exchange.ask
    if ask is not None:
        return "call:model", ask.model or ""
    request = exchange.request
    if exchange.mcp is not None:
        return _of_server(exchange.mcp, request.method)
    if exchange.route.dialect is not None and exchange.route.reads_request:
        return "call:model", ""  # refused before its body was read
    return f"relay:{request.method.lower()[:32]}", request.path


def _of_server(state: MCPState, http_method: str) -> tuple[str, str]:
    """A tool of an MCP server is called, or a message goes there."""
    if state.calls:
        return "call:tool", f"{state.server.name}/{state.calls[0].call.name}"
    return "relay:mcp", f"{state.server.name}/{state.method or http_method.lower()}"


def _result(failure: Refusal | ClientGone | None, status: int) -> str:
    if failure is None:
        return "success" if status < 400 else "error"
    return failure.code if isinstance(failure, Refusal) else "client_gone"


def _remedies(exchange: Exchange) -> dict[str, Any]:
    """What the agent is treated with, and what of that could do nothing about this request."""
    found = {}
    if exchange.remedies:
        found["remedies"] = list(exchange.remedies)
    if exchange.unapplied:
        found["remedies_skipped"] = list(exchange.unapplied)
    return found


def _numbers(exchange: Exchange, vitals: Vitals) -> dict[str, Any]:
    found: dict[str, Any] = {"status": vitals.status, "latency_ms": round(vitals.latency_ms), **_remedies(exchange)}
    if vitals.provider is not None:
        found["provider"] = vitals.provider
    if vitals.input_tokens or vitals.output_tokens:
        found["input_tokens"] = vitals.input_tokens
        found["output_tokens"] = vitals.output_tokens
    if vitals.cost_usd is not None:
        found["cost_usd"] = vitals.cost_usd
    if vitals.tool_names:
        found["tools"] = [name[:_LONGEST] for name in vitals.tool_names[:_MOST_NAMES]]
    if exchange.answer is not None and exchange.answer.hosted:  # the provider has run them
        found["hosted"] = [call.name[:_LONGEST] for call in exchange.answer.hosted[:_MOST_NAMES]]
    if exchange.denied:
        found["denied"] = [
            {"tool": denial.tool[:_LONGEST], "rule": denial.rule} for denial in exchange.denied[:_MOST_NAMES]
        ]
    return found
