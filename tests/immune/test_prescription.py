import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.prescription import NOTHING, Prescription, joined, members, prescription_of

NAMES = st.sampled_from(["a", "b", "c"])
SETS = st.frozensets(NAMES)
PRESCRIPTIONS = st.builds(
    Prescription,
    remedies=st.lists(NAMES, unique=True).map(tuple),
    drop_history=st.booleans(),
    system_prompt=st.none() | NAMES,
    plan_only=st.booleans(),
    serial_calls=st.booleans(),
    output_tokens=st.none() | st.integers(1, 9),
    tool_calls=st.none() | st.integers(1, 9),
    only_tools=st.none() | SETS,
    without_tools=SETS,
    model=st.none() | NAMES,
    concurrent=st.none() | st.integers(1, 9),
    requests_per_minute=st.none() | st.integers(1, 9),
    ended_conversations=SETS,
    once=st.lists(st.sampled_from(["revoke_intents", "control_agent"]), unique=True).map(tuple),
)


@given(PRESCRIPTIONS)
def test_it_is_the_same_after_a_round_trip(prescription: Prescription) -> None:
    assert prescription_of(json.loads(json.dumps(members(prescription)))) == prescription
    assert joined([prescription]) == prescription
    assert joined([NOTHING, prescription, prescription]) == prescription


@given(PRESCRIPTIONS, PRESCRIPTIONS)
def test_two_at_once_are_as_tight_as_the_tighter(one: Prescription, two: Prescription) -> None:
    both = joined([one, two])
    for name in ("output_tokens", "tool_calls", "concurrent", "requests_per_minute"):
        bounds = [bound for p in (one, two) if (bound := getattr(p, name)) is not None]
        assert getattr(both, name) == min(bounds, default=None)
    for p in (one, two):
        assert both.without_tools >= p.without_tools and both.plan_only >= p.plan_only
        assert p.only_tools is None or (both.only_tools is not None and both.only_tools <= p.only_tools)
    assert both.model == (two.model or one.model)


def test_nothing_is_nothing() -> None:
    assert members(NOTHING) == {} and prescription_of({"of a newer version": 1}) == NOTHING
    assert joined([]) == NOTHING
    assert NOTHING.idle and Prescription(("x",), once=("revoke_intents",)).idle
    assert not Prescription(drop_history=True).idle
