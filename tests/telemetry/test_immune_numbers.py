"""What the immune system does, as metrics: few labels, from the beginning at 0."""

from gateway.telemetry.immune_numbers import ImmuneNumbers
from gateway.telemetry.instruments import OVERFLOW, Family


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def families(numbers: ImmuneNumbers) -> dict[str, Family]:
    return {one.name: one.family() for one in numbers.instruments()}


def values(numbers: ImmuneNumbers, name: str) -> dict[str, float]:
    return {",".join(point.attributes.values()): point.value for point in families(numbers)[name].points}


def off(numbers: ImmuneNumbers) -> dict[str, float]:
    return {metric: far for metric, far in values(numbers, "leuko.deviation").items() if far}


def test_every_type_and_every_move_is_there_before_it_happens() -> None:
    numbers = ImmuneNumbers(Clock())
    found = values(numbers, "leuko.findings")
    assert found["latency_spike"] == found["drift"] == 0 and len(found) == 17
    moves = values(numbers, "leuko.quarantine.transitions")
    assert moves["HEALTHY,SUSPECTED"] == 0 and "HEALTHY,QUARANTINED" not in moves
    assert values(numbers, "leuko.incidents") == {"opened": 0, "closed": 0}


def test_findings_and_the_gateways_own_quarantines_are_told_to_who_counts_for_ever() -> None:
    told: list[str] = []
    numbers = ImmuneNumbers(Clock(), tally=told.append)
    numbers.finding("tool_loop")
    for before, after in (("HEALTHY", "DRAINING"), ("DRAINING", "QUARANTINED")):
        numbers.moved(before, after)
    assert told == ["findings", "infections"]


def test_what_happens_is_counted_by_its_words() -> None:
    numbers = ImmuneNumbers(Clock(), lambda: 3)
    numbers.finding("tool_loop")
    numbers.moved("HEALTHY", "DRAINING")
    numbers.treated("reset_memory", "applied")
    numbers.treated("reset_memory", "failed")
    numbers.incident("opened")
    numbers.enforcement_failed("container")
    assert values(numbers, "leuko.findings")["tool_loop"] == 1
    assert values(numbers, "leuko.quarantine.transitions")["HEALTHY,DRAINING"] == 1
    actions = values(numbers, "leuko.heal.actions")
    assert {name: count for name, count in actions.items() if count} == {
        "reset_memory,applied": 1,
        "reset_memory,failed": 1,
    }
    assert actions["throttle,healed"] == 0
    assert values(numbers, "leuko.incidents") == {"opened": 1, "closed": 0}
    failures = values(numbers, "leuko.enforcement.failures")
    assert failures == {"process": 0, "container": 1, "webhook": 0, "control": 0}
    assert values(numbers, "leuko.watch.partitions") == {"": 3}


def test_durations_are_distributions_and_a_clock_that_runs_behind_makes_none_negative() -> None:
    numbers = ImmuneNumbers(Clock())
    numbers.healed_after(42.0)
    numbers.watched(0.07)
    numbers.watched(-0.5)
    found = families(numbers)
    assert [p.value for p in found["leuko.heal.duration"].points] == [42.0]
    (lag,) = found["leuko.watch.lag"].points
    assert lag.value == 0.07 and sum(lag.buckets) == 2


def test_the_furthest_deviation_is_shown_for_at_least_thirty_seconds_and_then_forgotten() -> None:
    clock = Clock()
    numbers = ImmuneNumbers(clock)
    numbers.deviated("latency", 7.5)
    numbers.deviated("latency", 2.0)
    numbers.deviated("output", -6.0)
    assert off(numbers) == {"latency": 7.5, "output": 6.0}
    clock.now += 31
    numbers.deviated("latency", 1.0)
    assert off(numbers) == {"latency": 7.5, "output": 6.0}
    clock.now += 31
    assert off(numbers) == {"latency": 1.0}
    clock.now += 61
    assert off(numbers) == {} and values(numbers, "leuko.deviation")["cost"] == 0


def test_words_from_elsewhere_cannot_make_series_without_end() -> None:
    numbers = ImmuneNumbers(Clock())
    for number in range(1000):
        numbers.finding(f"strange-{number}")
        numbers.deviated(f"strange-{number}", 1.0)
    found = families(numbers)
    assert len(found["leuko.findings"].points) <= 201 and len(found["leuko.deviation"].points) <= 220
    assert any(point.attributes == OVERFLOW for point in found["leuko.findings"].points)
