"""Numbers of other parts, under the names they have outside."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model.lifecycle import BLOCKED as BLOCKED_STATES
from gateway.telemetry.upkeep import (
    BLOCKED,
    approving,
    guarding,
    judging,
    limiting,
    noticing,
    operating,
    shipping,
    upkeep,
)


@dataclass
class Store:
    healthy: bool = True
    on_change: list[Callable[[bool], None]] = field(default_factory=list)


@dataclass
class Writer:
    pending: int = 4
    dropped: int = 5


@dataclass
class Audit:
    problem: str | None = None
    failures: int = 2
    size: int = 9
    durable_size: int = 7


def read(
    store: Store, missing: list[str], blocked: list[str], audit: Audit | None = None
) -> Callable[[str], dict[str, float]]:
    instruments = {
        one.name: one for one in upkeep(store, Writer(), audit or Audit(), lambda: missing, lambda: blocked, "1.2.3")
    }

    def values(name: str) -> dict[str, float]:
        return {",".join(point.attributes.values()): point.value for point in instruments[name].family().points}

    return values


def test_numbers_are_read_when_they_are_asked_for() -> None:
    store = Store()
    values = read(store, [], [])
    store.healthy = False
    assert values("leuko.redis.up") == {"": 0}
    assert values("leuko.vitals.pending") == {"": 4} and values("leuko.vitals.dropped") == {"": 5}
    assert values("leuko.build") == {"1.2.3": 1}


def test_a_loss_is_counted_and_a_recovery_is_not() -> None:
    store = Store()
    values = read(store, [], [])
    for healthy in (True, False, True, False):
        for listener in store.on_change:
            listener(healthy)
    assert values("leuko.redis.losses") == {"": 2}


def test_what_is_well_is_shown_too() -> None:
    values = read(Store(), ["redis"], ["QUARANTINED", "QUARANTINED"])
    assert values("leuko.degraded") == {"redis": 1, "audit": 0}
    assert values("leuko.agents.blocked") == {"DRAINING": 0, "QUARANTINED": 2, "HEALING": 0, "EXHAUSTED": 0}


def test_the_audit_record_shows_its_state() -> None:
    values = read(Store(), [], [], Audit(problem="the disk is full"))
    found = [values(f"leuko.audit.{name}")[""] for name in ("up", "failures", "records", "unsynced")]
    assert found == [0, 2, 9, 2] and values("leuko.degraded") == {"redis": 0, "audit": 1}


def test_every_blocked_state_has_a_series() -> None:
    assert set(BLOCKED) == BLOCKED_STATES


def test_what_passed_without_state_is_counted() -> None:
    class Guard:
        opened, closed, evasions = 3, 2, 1

    guard = Guard()
    counts = {one.name: one for one in guarding(guard)}
    guard.closed += 1
    values = {name: one.family().points[0].value for name, one in counts.items()}
    assert values == {"leuko.guard.opened": 3, "leuko.guard.closed": 3, "leuko.guard.evasions": 1}


def test_what_is_stopped_on_the_way_is_counted() -> None:
    class Stopping:
        blocked, cut, dropped = 3, 2, 1

    counts = {one.name: one.family().points[0].value for one in noticing(Stopping(), Stopping(), Stopping())}
    assert counts == {"leuko.loops.blocked": 3, "leuko.answers.cut": 2, "leuko.watch.dropped": 1}


def test_how_limits_are_kept_is_counted() -> None:
    class Reserve:
        alone, closed = 3, 2

    class Limits:
        dropped, queued = 4, 5

    refused = 0
    counts = {one.name: one for one in limiting(Reserve(), Limits(), lambda: refused)}
    refused = 1
    assert {name: one.family().points[0].value for name, one in counts.items()} == {
        "leuko.limits.alone": 3,
        "leuko.limits.closed": 2,
        "leuko.limits.pending": 5,
        "leuko.limits.dropped": 4,
        "leuko.policies.refused": 1,
    }


def test_what_waits_for_people_and_what_webhooks_were_told_is_counted() -> None:
    class Webhooks:
        sent, failed, dropped = 3, 2, 1

    counts = {one.name: one.family().points[0].value for one in approving(lambda: 4, Webhooks())}
    assert counts.pop("leuko.answers.held") == 4
    assert counts == {"leuko.webhooks.sent": 3, "leuko.webhooks.failed": 2, "leuko.webhooks.dropped": 1}


def test_the_copy_of_the_record_is_behind_by_what_is_not_in_it() -> None:
    for shipped, behind in ((0, 7), (7, 0), (9, 0)):  # a chain that has just begun has fewer than the one before
        (lag,) = shipping(Audit(), lambda shipped=shipped: shipped)
        assert lag.family().points[0].value == behind


def test_what_policies_said_of_calls_is_counted() -> None:
    (found,) = judging({"allow": 3, "deny": 1})
    points = {str(point.attributes): point.value for point in found.family().points}
    assert (found.name, list(points.values())) == ("leuko.policy.calls", [3, 1])


def test_what_operators_miss_is_counted() -> None:
    counts = {one.name: one.family().points[0].value for one in operating(lambda: 3, lambda: 1)}
    assert counts == {"leuko.calls.unrecorded": 3, "leuko.policies.unreadable": 1}
