"""From a blocked agent to its treatment, and through all of them where none helps."""

from dataclasses import replace

import pytest

from gateway.immune.diagnosis import diagnose
from gateway.immune.finding import Finding
from gateway.immune.healing import STAY, plan
from gateway.immune.incident import Asked, Incident
from gateway.immune.ladder import LADDERS
from gateway.immune.memory import Memory
from gateway.immune.moves import exhausted, healing, treated
from gateway.immune.settings import Immune
from gateway.model.lifecycle import Life
from tests.immune.made import finding
from tests.immune.remedies.test_every_remedy import ILL

LOOP = finding("tool_loop", detail={"tool": "search"}, hard=True)
BLOCKED = Life("agt_1", "QUARANTINED", incident_id="inc_1")


def incident(*findings: Finding) -> Incident:
    return Incident("inc_1", "agt_1", 5.0).having(findings, diagnose(findings, {}))


def test_a_mild_case_is_treated_without_asking() -> None:
    found = plan(BLOCKED, incident(LOOP), ILL, Memory(), {})
    assert found.do == "treat" and found.treatment is not None
    assert (found.treatment.cause, found.treatment.remedy) == ("infinite_loop", "reset_memory")


@pytest.mark.parametrize("severe", [finding("cost_spike", deviation=5.0), finding("unsanctioned_call", hard=True)])
def test_a_severe_case_waits_for_a_person(severe: Finding) -> None:
    case = incident(severe)
    asked = plan(BLOCKED, case, ILL, Memory(), {})
    assert asked.do == "ask" and asked.treatment is not None
    for approval, expected in (("pending", "stay"), ("rejected", "stay"), ("approved", "treat")):
        answered = replace(case, asked={"heal": Asked("apr_1", approval)})  # type: ignore[arg-type]
        assert plan(BLOCKED, answered, ILL, Memory(), {}).do == expected
    # `heal now` after a rejection
    life = healing(BLOCKED, 1.0, "heal_now", "adk_1")
    assert plan(life, replace(case, asked={"heal": Asked("apr_1", "rejected")}), ILL, Memory(), {}).do == "treat"


def test_how_far_is_severe_is_set() -> None:
    case = incident(finding("cost_spike", deviation=5.5))
    assert plan(BLOCKED, case, ILL, Memory(), {}, Immune(approve_above=6.0)).do == "treat"


def test_what_an_operator_holds_or_the_mode_forbids_stays() -> None:
    assert plan(replace(BLOCKED, held=True), incident(LOOP), ILL, Memory(), {}) == STAY
    assert plan(BLOCKED, incident(LOOP), ILL, Memory(), {}, Immune(mode="warn")) == STAY
    for state in ("DRAINING", "HEALTHY", "PROBATION", "EXHAUSTED"):
        assert plan(replace(BLOCKED, state=state), incident(LOOP), ILL, Memory(), {}) == STAY  # type: ignore[arg-type]


def test_an_agent_that_nothing_helps_ends_exhausted() -> None:
    case, memory, life, tried = incident(LOOP), Memory(), BLOCKED, []
    for now in range(100):
        life = healing(life, now, "auto")
        found = plan(life, case, ILL, memory, {})
        if found.treatment is None:
            break
        tried.append(found.treatment.remedy)
        memory = memory.begun("inc_1", found.treatment.cause, found.treatment.remedy, now)
        life = treated(life, now, found.treatment.remedy)
        memory, _ = memory.ended("failed")
        life = life.moved("DRAINING", now, "relapse", "gateway").moved("QUARANTINED", now, "drained", "gateway")
    assert found.do == "exhaust" and exhausted(life, 1.0).state == "EXHAUSTED"
    assert len(tried) == len(set(tried)) and tried[: len(LADDERS["infinite_loop"])] == list(LADDERS["infinite_loop"])
    again = healing(exhausted(life, 1.0), 2.0, "heal_now", "adk_1")
    assert plan(again, case, ILL, memory, {}).do == "exhaust"
    # A person's word on the cause opens another ladder.
    other = replace(case, diagnoses=diagnose([LOOP], {}, actual="cost_overrun"))
    assert plan(again, other, ILL, memory, {}).do == "treat"
