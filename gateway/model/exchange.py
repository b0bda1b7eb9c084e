"""One request and its answer on their way through the six phases: the only mutable noun."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Protocol

from gateway.model.agent import Agent
from gateway.model.answer import Answer
from gateway.model.ask import Ask, OfferedTool
from gateway.model.errors import ClientGone, Refusal
from gateway.model.route import Route
from gateway.model.value import value
from gateway.model.verdict import Denial

_SMALL = 64 * 1024  # bytes of a request that may as well stay


@value
class Request:
    """The head of a request. Header names are lower case; `fields` holds the values of each name, joined by `, `."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]
    client: str

    def header(self, name: bytes) -> str | None:
        """A header's value, or None; bytes outside ASCII are kept as Latin-1."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")


class Cancellable(Protocol):
    """What an exchange knows of the task that carries it."""

    def cancel(self) -> bool: ...

    def uncancel(self) -> int: ...


class Exchange:
    """State between the phases. Times are seconds on a monotonic clock.

    `patience` bounds what the exchange waits for right now, `patience_kind` names it; `touched` is when it last moved.
    One watcher per process compares them, so that no request arms a timer of its own.

    `plain` is a judged body decoded, `body_bytes` what both count in the budget of bodies; `changed` says that `body`
    is no longer what was received; `own_headers` go on every answer; `in_band` writes a refusal into an answer that has
    begun; `refusal` was decided before the first phase (no such path) and is raised once the agent is known; `failure`
    is how the exchange ended, if it did not end well.

    `profile` is what the request says beside its ask: hashes, conversation, turn. `intent` is what the agent said
    before that it would do. `reservation` is what limits and budgets set aside for it, `output_cap` the `max_tokens`
    they leave, `decision` the audit entry that let it pass, `routed` the provider an operator chose for its agent,
    `chosen` the one it is priced at and sent to, `span` its trace; `dispatched` once a provider is asked, `unleased`
    once the guard let it pass without a lease. `policies` are those it is under, `remedies` what its
    agent is treated with and `unapplied` those that could do nothing about it, `judgement` is what its calls are
    judged by, None where no rule is about them; `withheld` what the caller was told instead of calls, `owed` the
    results that the request has to have added for calls that were withheld in the answer it goes on from.
    `mcp` is what an exchange with an MCP server is about; a `standing` answer ends only when somebody ends it.
    Each belongs to the one who sets it; to everybody else it is opaque.
    """

    __slots__ = (
        "agent", "answer", "ask", "body", "body_bytes", "breaker_key", "changed", "chosen", "credential", "deadline",
        "decision", "denied", "dispatched", "failure", "first_byte_at", "first_content_at", "id", "in_band", "intent",
        "interruption", "judgement", "mcp", "model", "on_tick", "output_cap", "owed", "own_headers", "patience",
        "patience_kind", "plain", "plain_size", "policies", "profile", "provider", "refusal", "remedies",
        "request", "reservation", "route", "routed", "settled", "span", "standing", "started", "status", "streaming",
        "strips_usage", "task", "touched", "unapplied", "unleased",
        "withheld",
    )  # fmt: skip

    def __init__(self, id: str, request: Request, route: Route, task: Cancellable, now: float) -> None:
        self.id = id
        self.request = request
        self.route = route
        self.task = task
        self.started = now
        self.touched = now
        self.patience = float("inf")
        self.patience_kind = ""
        self.deadline = float("inf")
        self.on_tick: Callable[[float], None] | None = None
        self.refusal: Refusal | None = None
        self.interruption: Refusal | ClientGone | None = None
        self.settled = False
        self.agent: Agent | None = None
        self.ask: Ask | None = None
        self.credential: bytes | None = None
        self.body: bytes | AsyncIterator[bytes] | None = None
        self.plain: bytes = b""
        self.plain_size = 0
        self.body_bytes = 0
        self.changed = False
        self.provider: str | None = None
        self.model: str | None = None
        self.breaker_key: tuple[str, str] | None = None
        self.answer: Answer | None = None
        self.streaming = False
        self.standing = False
        self.strips_usage = False
        self.denied: list[Denial] = []
        self.own_headers: list[tuple[bytes, bytes]] = []
        self.in_band: Callable[[Refusal], bytes] | None = None
        self.status = 0
        self.first_byte_at: float | None = None
        self.failure: Refusal | ClientGone | None = None
        self._set_aside()

    def _set_aside(self) -> None:
        """Room for what the phases note for each other."""
        self.first_content_at: float | None = None
        self.profile: Any = None
        self.mcp: Any = None
        self.policies: Any = None
        self.remedies: tuple[str, ...] = ()
        self.unapplied: tuple[str, ...] = ()
        self.intent: Any = None
        self.judgement: Any = None
        self.withheld: str | None = None
        self.owed: tuple[Any, ...] = ()
        self.reservation: Any = None
        self.output_cap: int | None = None
        self.decision: str | None = None
        self.routed: str | None = None
        self.chosen: Any = None
        self.span: Any = None
        self.dispatched = False
        self.unleased = False

    @property
    def conversation(self) -> str | None:
        """A keyed hash of the conversation that the request belongs to; None as long as nobody knows."""
        return None if self.profile is None else self.profile.conversation

    def wait_for(self, kind: str, seconds: float, now: float) -> None:
        """From now on the exchange may stand still for `seconds`; `kind` names the time-out in messages."""
        self.patience_kind = kind
        self.patience = seconds
        self.touched = now

    def forget_text(self) -> None:
        """Let go of what was asked, which the answer does not need and may take minutes; names and sizes stay."""
        self.body, self.plain = None, b""
        if self.profile is not None:
            self.profile.forget_text()
        if self.ask is not None and self.plain_size > _SMALL:
            tools = tuple(OfferedTool(tool.name, tool.kind, {}, tool.namespace) for tool in self.ask.tools)
            self.ask = replace(self.ask, document={}, tools=tools, results=())

    def interrupt(self, reason: Refusal | ClientGone) -> None:
        """End the exchange from outside, for this reason: wakes whatever it waits for. The first reason stands."""
        if not self.settled and self.interruption is None:
            self.interruption = reason
            self.task.cancel()

    def client_gone(self) -> None:
        self.interrupt(ClientGone())
