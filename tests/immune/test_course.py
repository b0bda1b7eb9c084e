from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.course import KEPT_FINDINGS, Course, dump, load
from gateway.model.lifecycle import Life
from tests.immune.made import finding

METRICS = st.sampled_from(["output", "cost", "latency", "tools"])


@given(st.lists(st.tuples(st.lists(METRICS, max_size=3), st.booleans()), max_size=60))
def test_it_is_the_same_after_a_round_trip_and_goes_on_the_same(calls: list[tuple[list[str], bool]]) -> None:
    course, kept = Course(), Course()
    for now, (metrics, call) in enumerate(calls):
        found = [finding("cost_spike", metric, 5.0) for metric in metrics]
        course, kept = course.after(found, now, call=call), load(dump(kept)).after(found, now, call=call)
        assert course == kept
        assert course.alarmed(32) == kept.alarmed(32)
    assert len(dump(course)) < 4096


@given(st.lists(st.booleans(), max_size=40))
def test_it_counts_the_latest_calls(calls: list[bool]) -> None:
    course = Course()
    for alarm in calls:
        course = course.after([finding("cost_spike", "cost")] if alarm else [], 0.0, call=True)
    for window in (1, 6, 32):
        assert course.alarmed(window).get("cost", 0) == sum(calls[-window:])


def test_of_each_type_and_metric_the_furthest_finding_is_kept() -> None:
    course = Course().having([finding("cost_spike", deviation=z) for z in (5.0, -9.0, 6.0)])
    assert [f.deviation for f in course.findings] == [-9.0]
    course = course.having([finding("cost_spike", hard=True)])
    assert [f.hard for f in course.findings] == [True]
    many = course.having([finding("cost_spike", str(n)) for n in range(99)])
    assert len(many.findings) == KEPT_FINDINGS and len(dump(many)) < 8192


def test_after_a_treatment_it_remembers_what_for() -> None:
    course = Course("QUARANTINED", findings=(finding("tool_loop"),), throttled=True, told=True)
    life = Life("agt_1", "QUARANTINED").moved("HEALING", 1.0, "auto", "gateway")
    assert course.at(life) == Course("HEALING", findings=course.findings, throttled=True, told=True)
    after = course.at(life.moved("PROBATION", 2.0, "throttle", "gateway"))
    assert after == Course("PROBATION", relapse=("tool_loop",))
    assert after.at(life.moved("PROBATION", 2.0, "throttle", "gateway")) is after


def test_a_course_of_another_format_is_not_read() -> None:
    with pytest.raises(ValueError, match="format 9"):
        load(b"[9,{}]")


def test_a_quiet_call_changes_nothing_but_how_long_it_has_been_quiet() -> None:
    full = Course(
        "SUSPECTED",
        {"output": 0b101},
        (finding("tool_loop"),),
        3,
        7.0,
        True,
        True,
        True,
        "tool_loop",
        9.0,
        ("tool_loop", "drift"),
    )
    assert all(getattr(full, member.name) != getattr(Course(), member.name) for member in fields(Course))
    assert full.after((), 8.0, call=True) == replace(full, alarms={"output": 0b1010}, quiet=4)
    assert full.after((), 8.0, call=False) == full
