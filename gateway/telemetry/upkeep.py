"""Numbers that other parts of the gateway keep, exported under the names they have outside."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from gateway.telemetry import names
from gateway.telemetry.instruments import Instrument, Observed, Reading

Number = Callable[[], float]

DEGRADED = ("redis", "audit")
BLOCKED = ("DRAINING", "QUARANTINED", "HEALING", "EXHAUSTED")


class Store(Protocol):
    """Redis, as far as it is counted here. `on_change` is told whether it is there."""

    on_change: list[Callable[[bool], None]]

    @property
    def healthy(self) -> bool: ...


class Writer(Protocol):
    """Who writes what was seen: agents whose numbers wait, and exchanges whose numbers were not kept."""

    dropped: int

    @property
    def pending(self) -> int: ...


class Audit(Protocol):
    """The audit record: why it cannot be written, if so; failures so far; records written, and those on the disk."""

    problem: str | None
    failures: int

    @property
    def size(self) -> int: ...

    @property
    def durable_size(self) -> int: ...


class Guard(Protocol):
    """Who decides what passes while this replica cannot hear what others switch.

    `opened`: requests let through; `closed`: requests and tool calls refused; `evasions`: requests refused because
    they came with the credential of a blocked agent.
    """

    opened: int
    closed: int
    evasions: int


class Looping(Protocol):
    """Who sees conversations that go round in circles. `blocked`: requests refused."""

    blocked: int


class Capping(Protocol):
    """Who sees runaway answers. `cut`: answers."""

    cut: int


class Feed(Protocol):
    """Who hands on what watchers look at. `dropped`: what they will never see."""

    dropped: int


class Reserve(Protocol):
    """Who judges by limits. `alone`: requests judged without Redis; `closed`: those refused for want of it."""

    alone: int
    closed: int


class Limits(Protocol):
    """Who counts what was used: exchanges whose use was lost, and those whose use waits to be written."""

    dropped: int

    @property
    def queued(self) -> int: ...


class Webhooks(Protocol):
    """Who tells webhooks: messages delivered, tries that failed, messages given up."""

    sent: int
    failed: int
    dropped: int


class Certificate(Protocol):
    """What TLS is served with: when it ends (seconds since the epoch), and how often it could not be renewed."""

    not_after: float
    failures: int


class Losses:
    """Counts how often something was lost; listens to who knows."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, healthy: bool) -> None:
        self.count += not healthy


def upkeep(
    store: Store,
    writer: Writer,
    audit: Audit,
    missing: Callable[[], list[str]],
    blocked: Callable[[], Iterable[str]],
    version: str,
) -> Iterator[Instrument]:
    """The state of the gateway as a whole.

    Args:
        missing: what it runs without right now, of `DEGRADED`.
        blocked: the state of each agent that may not pass.
    """
    losses = Losses()
    store.on_change.append(losses)
    yield Observed(names.BUILD, "gauge", "{build}", "1, by version.", lambda: [({"version": version}, 1)])
    yield _gauge(names.REDIS_UP, "{boolean}", "Whether Redis serves: 1 or 0.", lambda: store.healthy)
    yield _counter(names.REDIS_LOSSES, "{loss}", "How often Redis was lost.", lambda: losses.count)
    yield _gauge(names.VITALS_PENDING, "{agent}", "Agents whose numbers wait to be written.", lambda: writer.pending)
    yield _counter(names.VITALS_DROPPED, "{exchange}", "Exchanges whose numbers were not kept.", lambda: writer.dropped)
    yield from _record(audit)
    yield Observed(
        names.DEGRADED_PARTS,
        "gauge",
        "{boolean}",
        "What the gateway runs without: 1 or 0.",
        lambda: _among([*missing(), *(["audit"] if audit.problem else [])], "what", DEGRADED),
    )
    yield Observed(
        names.AGENTS_BLOCKED,
        "gauge",
        "{agent}",
        "Agents that may not pass, by state.",
        lambda: _among(blocked(), "state", BLOCKED),
    )


def guarding(guard: Guard) -> Iterator[Instrument]:
    """What passed and what did not for want of state."""
    yield _counter(
        names.GUARD_OPENED, "{request}", "Requests let through without the shared state.", lambda: guard.opened
    )
    yield _counter(
        names.GUARD_CLOSED, "{refusal}", "Requests and calls refused without the shared state.", lambda: guard.closed
    )
    yield _counter(
        names.GUARD_EVASIONS, "{request}", "Requests with a blocked agent's credential.", lambda: guard.evasions
    )


def noticing(looping: Looping, capping: Capping, feed: Feed) -> Iterator[Instrument]:
    """What was stopped on the way, and what of all that was noticed is lost."""
    yield _counter(
        names.LOOPS_BLOCKED, "{request}", "Requests of conversations that go round in circles.", lambda: looping.blocked
    )
    yield _counter(names.ANSWERS_CUT, "{answer}", "Runaway answers cut as they streamed.", lambda: capping.cut)
    yield _counter(names.WATCH_DROPPED, "{entry}", "Vitals and findings no watcher will see.", lambda: feed.dropped)


def judging(calls: Mapping[str, int]) -> Iterator[Instrument]:
    """What became of the calls that were judged; `shadow`: let through, but a rule in shadow would not have."""
    yield Observed(
        names.JUDGED_CALLS,
        "counter",
        "{call}",
        "Tool calls that policies were asked about, by what was decided.",
        lambda: [({"decision": decision}, float(count)) for decision, count in calls.items()],
    )


def operating(unrecorded: Number, unreadable: Number) -> Iterator[Instrument]:
    """What operators miss: records to try policies on, documents that a newer version made and this one cannot read."""
    yield _counter(names.CALLS_UNRECORDED, "{record}", "Requests and calls that were to be recorded.", unrecorded)
    yield _gauge(names.POLICIES_UNREADABLE, "{document}", "Policy documents that this version cannot read.", unreadable)


def limiting(reserve: Reserve, limits: Limits, refused: Number) -> Iterator[Instrument]:
    """How limits and budgets are kept; `refused`: how often policy documents could not be taken over."""
    yield _counter(
        names.LIMITS_ALONE, "{request}", "Requests judged by this process's share of a limit.", lambda: reserve.alone
    )
    yield _counter(
        names.LIMITS_CLOSED, "{request}", "Requests refused because a limit could not be read.", lambda: reserve.closed
    )
    yield _gauge(names.LIMITS_PENDING, "{exchange}", "Exchanges whose use waits to be counted.", lambda: limits.queued)
    yield _counter(
        names.LIMITS_DROPPED, "{exchange}", "Exchanges counted as set aside, not as used.", lambda: limits.dropped
    )
    yield _counter(names.POLICIES_REFUSED, "{reload}", "Policy documents that did not replace others.", refused)


def approving(held: Number, webhooks: Webhooks) -> Iterator[Instrument]:
    """What waits for people here, and what webhooks were told of it."""
    yield _gauge(names.ANSWERS_HELD, "{answer}", "Answers that wait for a person's approval.", held)
    yield _counter(names.WEBHOOKS_SENT, "{message}", "Messages that webhooks received.", lambda: webhooks.sent)
    yield _counter(names.WEBHOOKS_FAILED, "{try}", "Tries to tell a webhook that failed.", lambda: webhooks.failed)
    yield _counter(names.WEBHOOKS_DROPPED, "{message}", "Messages no webhook will hear of.", lambda: webhooks.dropped)


def serving(certificate: Certificate | None) -> Iterator[Instrument]:
    """The certificate of this process's listeners; None: it serves without TLS."""
    yield _gauge(
        names.TLS_NOT_AFTER,
        "s",
        "When the certificate in use ends, in seconds since the epoch; 0: there is none.",
        lambda: 0.0 if certificate is None else certificate.not_after,
    )
    yield _counter(
        names.TLS_FAILURES,
        "{failure}",
        "Changed certificates that could not be used.",
        lambda: 0 if certificate is None else certificate.failures,
    )


def shipping(audit: Audit, shipped: Number) -> Iterator[Instrument]:
    """How far the copy of the audit record is behind; `shipped`: records that are in it."""
    yield _gauge(
        names.AUDIT_UNSHIPPED,
        "{record}",
        "Records that are safe here and not yet in the shared copy.",
        lambda: max(0, audit.durable_size - shipped()),
    )


def _record(audit: Audit) -> Iterator[Instrument]:
    yield _gauge(
        names.AUDIT_UP, "{boolean}", "Whether the audit record can be written: 1 or 0.", lambda: not audit.problem
    )
    yield _counter(names.AUDIT_FAILURES, "{failure}", "Failed writes of the audit record.", lambda: audit.failures)
    yield _counter(names.AUDIT_RECORDS, "{record}", "Records written by this process.", lambda: audit.size)
    yield _gauge(
        names.AUDIT_UNSYNCED,
        "{record}",
        "Records written and not yet safe from a power loss.",
        lambda: audit.size - audit.durable_size,
    )


def _among(found: Iterable[str], label: str, everything: tuple[str, ...]) -> Reading:
    """How often each was found, also those that were not."""
    tally = Tally(found)
    return [({label: one}, float(tally[one])) for one in everything]


def _gauge(name: str, unit: str, description: str, read: Number) -> Observed:
    return Observed(name, "gauge", unit, description, lambda: [({}, float(read()))])


def _counter(name: str, unit: str, description: str, read: Number) -> Observed:
    return Observed(name, "counter", unit, description, lambda: [({}, float(read()))])
