"""When trouble ends."""

from gateway.demo.chaos_faults import FAULTS
from gateway.demo.fleet_cases import LONGEST, STORY, Case

HELPS, DOES_NOT = frozenset({"reset_memory"}), frozenset({"throttle"})


def test_a_remedy_ends_what_does_not_resist_it() -> None:
    case = Case(FAULTS["error"], 0.0, resists=DOES_NOT)
    assert case.ends(HELPS, 1.0) and case.ends(HELPS | DOES_NOT, 1.0)
    assert not case.ends(DOES_NOT, 1.0) and not case.ends(frozenset(), 1.0)
    assert case.ends(frozenset(), LONGEST)


def test_what_passes_by_itself_takes_its_time_whatever_is_done() -> None:
    case = Case(FAULTS["latency"], 0.0, lasts=5.0)
    assert not case.ends(HELPS, 4.9) and case.ends(frozenset(), 5.0)


def test_the_story_goes_forward_and_shows_what_it_is_about() -> None:
    assert [case.at for case in STORY] == sorted(case.at for case in STORY)
    assert any(case.fault.hides for case in STORY)
    assert any(case.resists for case in STORY) and any(case.fault.blocks is False for case in STORY)
