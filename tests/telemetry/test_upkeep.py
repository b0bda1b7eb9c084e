"""Numbers of other parts, under the names they have outside."""

from gateway.telemetry import upkeep


def test_a_loss_is_counted_and_a_recovery_is_not() -> None:
    losses = upkeep.Losses()
    for healthy in (True, False, True, False):
        losses(healthy)
    assert losses.count == 2


def test_redis_is_read_when_it_is_asked_for() -> None:
    up = [True]
    found = upkeep.redis(up=lambda: up[0], losses=lambda: 3, pending=lambda: 4, dropped=lambda: 5)
    up[0] = False
    assert [instrument.family().points[0].value for instrument in found] == [0, 3, 4, 5]


def test_what_is_not_missing_is_shown_too() -> None:
    (degraded,) = upkeep.degraded(lambda: ["redis"], ("redis", "audit"))
    points = degraded.family().points
    assert {point.attributes["what"]: point.value for point in points} == {"redis": 1, "audit": 0}


def test_every_blocked_state_is_shown() -> None:
    (blocked,) = upkeep.states(lambda: {"QUARANTINED": 2}, ("DRAINING", "QUARANTINED"))
    assert [point.value for point in blocked.family().points] == [0, 2]


def test_the_version_is_a_label() -> None:
    (build,) = upkeep.build("1.2.3")
    assert build.family().points[0].attributes == {"version": "1.2.3"}
