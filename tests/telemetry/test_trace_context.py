"""Whose trace it is, and whether it is recorded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.trace_context import DEFAULT_RATIO, Sampler, Trace, read_traceparent

TRACE, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
SENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_example_of_the_specification_is_read() -> None:
    assert read_traceparent(SENT) == (TRACE, PARENT, 1)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"garbage",
        SENT.upper(),
        SENT[:-1],
        SENT + b"-more",  # version 00 has no more members
        b"ff" + SENT[2:],
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        SENT[:36] + b"0" * 16 + b"-01",
        SENT + b", " + SENT,  # sent twice
        SENT + b"\n",
    ],
)
def test_what_the_specification_says_to_ignore_is_ignored(value: bytes) -> None:
    assert read_traceparent(value) is None


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(b"01" + SENT[2:] + b"-what-later-brings") == (TRACE, PARENT, 1)


@given(st.binary(max_size=80))
def test_no_header_makes_reading_fail(value: bytes) -> None:
    found = read_traceparent(value)
    assert found is None or (found[0] > 0 and found[1] > 0)


def trace(trace_id: int = TRACE, flags: int | None = None) -> Trace:
    one = Trace("req_1")
    one.trace_id, one.parent_flags = trace_id, flags
    return one


def sampler(env: dict[str, str] | None = None, now: list[float] | None = None, forced: int = 50) -> Sampler:
    times = now or [0.0]
    return Sampler(env or {}, lambda: times[0], forced=forced)


def test_one_in_twenty_is_recorded_by_default() -> None:
    chosen = sum(sampler().records(trace(n * 0x9E3779B97F4A7C15 & (1 << 64) - 1)) for n in range(1, 20_001))
    assert DEFAULT_RATIO == 0.05 and 900 < chosen < 1100


def test_a_callers_decision_counts() -> None:
    assert sampler().records(trace(flags=1))
    assert not sampler({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}).records(trace(flags=0))


def test_callers_cannot_force_more_than_a_bound() -> None:
    now = [0.0]
    bounded = sampler({"OTEL_TRACES_SAMPLER_ARG": "0"}, now, forced=10)
    assert sum(bounded.records(trace(flags=1)) for _ in range(100)) == 10
    now[0] = 0.5
    assert sum(bounded.records(trace(flags=1)) for _ in range(100)) == 5


@pytest.mark.parametrize(
    ("name", "argument", "flags", "recorded"),
    [
        ("always_on", None, 0, True),
        ("always_off", None, 1, False),
        ("parentbased_always_off", None, None, False),
        ("parentbased_always_off", None, 1, True),
        ("traceidratio", None, None, True),
        ("traceidratio", "0", 1, False),
        ("parentbased_traceidratio", "1", None, True),
        ("parentbased_traceidratio", "nonsense", 0, False),
    ],
)
def test_the_standard_samplers_do_what_they_say(
    name: str, argument: str | None, flags: int | None, recorded: bool
) -> None:
    env = {"OTEL_TRACES_SAMPLER": name} | ({} if argument is None else {"OTEL_TRACES_SAMPLER_ARG": argument})
    assert sampler(env).records(trace(flags=flags)) is recorded
