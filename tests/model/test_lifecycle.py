from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.lifecycle import (
    BLOCKED,
    KEPT_MOVES,
    MOVES,
    IllegalMove,
    Life,
    State,
    drained,
    quarantined,
    released,
)

STATES: tuple[State, ...] = get_args(State)
ANY = {state: Life("agt_1", state) for state in STATES}


def block(life: Life, drain_seconds: float = 0.0, reason: str = "odd") -> Life:
    return quarantined(life, 100.0, reason, "root", drain_seconds=drain_seconds, incident_id="inc_1")


def test_every_state_is_in_the_table_and_can_be_left() -> None:
    assert MOVES.keys() == set(STATES)
    assert all(after and after <= set(STATES) for after in MOVES.values())


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_only_moves_of_the_table_are_made_and_each_is_kept(before: State, after: State) -> None:
    if after in MOVES[before]:
        moved = ANY[before].moved(after, 5.0, "why", "adk_1")
        assert (moved.state, moved.since) == (after, 5.0)
        assert [(m.state, m.at, m.cause, m.by) for m in moved.history] == [(after, 5.0, "why", "adk_1")]
    else:
        with pytest.raises(IllegalMove, match=f"{before} cannot become {after}"):
            ANY[before].moved(after, 5.0, "why", "adk_1")


@pytest.mark.parametrize("before", STATES)
def test_an_operator_can_block_an_agent_in_any_state(before: State) -> None:
    life = block(ANY[before])
    assert life.blocked and life.held and (life.reason, life.by) == ("odd", "root")
    assert life.state == (before if before in BLOCKED - {"DRAINING"} else "QUARANTINED")
    assert block(life, reason="again") == life  # the first word stands
    assert block(life, drain_seconds=5) == life


def test_a_block_began_with_its_latest_drain_or_with_what_is_remembered_of_it() -> None:
    life = drained(block(ANY["HEALTHY"], drain_seconds=30), 131.0)
    assert (life.blocked_at, life.since) == (100.0, 131.0)
    for at in range(200, 200 + KEPT_MOVES, 2):  # healed in vain, again and again
        life = life.moved("HEALING", at, "heal_now", "root").moved("EXHAUSTED", at + 1, "no remedy is left", "gateway")
    assert life.blocked_at == life.history[0].at == 200.0
    assert Life("agt_1", since=7.0).blocked_at == 7.0


def test_an_agent_drains_first_if_it_may() -> None:
    life = block(ANY["HEALTHY"], drain_seconds=30)
    assert (life.state, life.drain_until, life.incident_id) == ("DRAINING", 130.0, "inc_1")
    assert block(life, drain_seconds=60) == life
    assert block(life).state == drained(life, 131.0).state == "QUARANTINED"
    assert [move.state for move in drained(life, 131.0).history] == ["DRAINING", "QUARANTINED"]


@pytest.mark.parametrize("before", STATES)
def test_release_leads_to_probation_unless_the_agent_is_being_healed(before: State) -> None:
    if before == "HEALING":
        with pytest.raises(IllegalMove):
            released(ANY[before], 200.0, "fine", "root")
        return
    life = released(ANY[before], 200.0, "fine", "root")
    assert life.state == ("PROBATION" if before in BLOCKED else before)
    assert not life.blocked and not life.held and life.incident_id is None
    assert released(life, 300.0, "again", "root") == life


@given(st.lists(st.sampled_from(["block", "drain", "drained", "release"]), max_size=60))
def test_whatever_operators_do_the_history_is_legal_and_bounded(steps: list[str]) -> None:
    life = Life("agt_1")
    for at, step in enumerate(steps):
        match step:
            case "block":
                life = block(life)
            case "drain":
                life = block(life, drain_seconds=9)
            case "drained":
                life = drained(life, at)
            case "release":
                life = released(life, at, "fine", "root")
        assert life.blocked == life.held
    assert len(life.history) <= KEPT_MOVES
    assert all(m.state in MOVES[b.state] for b, m in zip(life.history, life.history[1:], strict=False))
