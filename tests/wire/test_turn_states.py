"""The table is complete."""

from gateway.wire.dialect import Signal
from gateway.wire.turn_states import TRANSITIONS, Outcome, State


def test_the_table_names_every_state_and_leads_nowhere_unknown() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State)
    for state in set(State) - {State.JUDGING}:
        assert set(TRANSITIONS[state]) == {Signal.CALL, Signal.TURN_END, Signal.ERROR}
    assert set(TRANSITIONS[State.JUDGING]) == set(Outcome)
    assert set(TRANSITIONS[State.REFUSED].values()) == {State.REFUSED}
