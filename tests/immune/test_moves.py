"""What the gateway does to a life; with operators in between in `test_lifecycle`."""

from dataclasses import replace

import pytest

from gateway.immune.lifecycle import Step
from gateway.immune.moves import contained, exhausted, healing, stepped, treated
from gateway.model.lifecycle import IllegalMove, Life, quarantined

BLOCKED = Life("agt_1", "QUARANTINED", sigma=True, incident_id="inc_1", credential_id="c")
HELD = replace(BLOCKED, held=True, sigma=False)


def test_a_mild_case_heals_by_itself() -> None:
    life = healing(BLOCKED, 1.0, "auto")
    assert (life.state, life.history[-1].by, life.history[-1].cause) == ("HEALING", "gateway", "auto")
    free = treated(life, 2.0, "throttle")
    assert (free.state, free.incident_id, free.sigma, free.credential_id) == ("PROBATION", "inc_1", False, "")
    assert free.history[-1].cause == "throttle"


@pytest.mark.parametrize("trigger", ["auto", "approval", "heal_all"])
def test_only_an_operators_word_about_it_ends_a_hold(trigger: str) -> None:
    assert healing(HELD, 1.0, trigger, "adk_1") == HELD  # type: ignore[arg-type]
    life = healing(HELD, 1.0, "heal_now", "adk_1")
    assert (life.state, life.held, life.history[-1].by) == ("HEALING", False, "adk_1")


def test_when_no_remedy_is_left_only_operators_begin_again() -> None:
    life = exhausted(healing(BLOCKED, 1.0, "auto"), 2.0)
    assert life.state == "EXHAUSTED" and life.blocked
    for trigger in ("auto", "approval"):
        assert healing(life, 3.0, trigger) == life  # type: ignore[arg-type]
    assert healing(life, 3.0, "heal_all", "adk_1").state == "HEALING"
    assert healing(life, 3.0, "heal_now", "adk_1").state == "HEALING"


@pytest.mark.parametrize("state", ["HEALTHY", "SUSPECTED", "PROBATION", "DRAINING", "HEALING"])
def test_healing_now_where_nothing_is_to_heal_is_refused(state: str) -> None:
    with pytest.raises(IllegalMove):
        healing(Life("agt_1", state), 1.0, "heal_now", "adk_1")  # type: ignore[arg-type]


def test_what_an_operator_took_hold_of_while_it_was_healed_stays_blocked() -> None:
    life = quarantined(healing(BLOCKED, 1.0, "auto"), 2.0, "odd", "adk_1", drain_seconds=0.0, incident_id="inc_2")
    assert life.state == "HEALING" and life.held
    after = treated(life, 3.0, "throttle")
    assert after.state == "EXHAUSTED" and after.held


def test_what_is_not_being_healed_is_neither_treated_nor_exhausted() -> None:
    assert treated(BLOCKED, 1.0, "throttle") == exhausted(BLOCKED, 1.0) == BLOCKED


def test_an_agent_that_is_blocked_is_not_blocked_again() -> None:
    options = {"sigma": False, "drain_seconds": 30.0, "incident_id": "inc_2"}
    assert contained(BLOCKED, 1.0, "loop", "gateway", **options) == BLOCKED  # type: ignore[arg-type]
    step = Step("move", "loop", "QUARANTINED", "DRAINING")
    with pytest.raises(IllegalMove):
        BLOCKED.moved("DRAINING", 1.0, "loop", "gateway")
    assert stepped(BLOCKED, step, 1.0) == BLOCKED


def test_a_healthy_agent_has_no_open_incident() -> None:
    life = Life("agt_1", "PROBATION", incident_id="inc_1", reason="loop", by="gateway")
    after = stepped(life, Step("move", "10 clean calls", "PROBATION", "HEALTHY"), 1.0)
    assert (after.state, after.incident_id, after.reason, after.by) == ("HEALTHY", None, "", "")
