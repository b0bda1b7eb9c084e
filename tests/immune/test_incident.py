from dataclasses import replace

import pytest

from gateway.immune.diagnosis import diagnose
from gateway.immune.incident import KEPT_ACTIONS, Action, Asked, Incident, dump, incident_id_of, load
from tests.immune.made import finding

LOOP = finding("tool_loop", detail={"tool": "search"}, hard=True)


def test_it_is_the_same_after_a_round_trip() -> None:
    incident = Incident("inc_1", "agt_1", 5.0, trigger="auto", actual_cause="infinite_loop")
    incident = replace(incident, asked={"heal": Asked("apr_1"), "quarantine": Asked("apr_2", "rejected", "adk_kim")})
    incident = incident.having([LOOP], diagnose([LOOP], {})).acted("reset_memory", "applied", 6.0)
    assert load(dump(incident)) == incident
    assert load(dump(Incident("inc_1", "agt_1", 5.0))) == Incident("inc_1", "agt_1", 5.0)
    with pytest.raises(ValueError, match="format 9"):
        load(b"[9,{}]")


def test_what_an_action_led_to_takes_the_place_of_its_being_applied() -> None:
    incident = (
        Incident("inc_1", "agt_1", 5.0).acted("reset_memory", "applied", 6.0).acted("reset_memory", "failed", 7.0)
    )
    incident = incident.acted("throttle", "applied", 8.0)
    assert incident.actions == (Action("reset_memory", "failed", 7.0), Action("throttle", "applied", 8.0))
    for number in range(99):
        incident = incident.acted("approve", "approved", number)
    assert len(incident.actions) == KEPT_ACTIONS


def test_an_answer_belongs_to_what_was_asked() -> None:
    incident = Incident("inc_1", "agt_1", 5.0, asked={"heal": Asked("apr_1")})
    assert (incident.said("heal"), incident.said("quarantine")) == ("pending", None)
    assert incident.answered("quarantine", "approved", "adk_kim") == incident
    approved = incident.answered("heal", "approved", "adk_kim")
    assert approved.asked == {"heal": Asked("apr_1", "approved", "adk_kim")}
    assert approved.answered("heal", None).said("heal") is None


def test_further_findings_are_added_once() -> None:
    incident = Incident("inc_1", "agt_1", 5.0).having([LOOP], ()).having([LOOP, finding("cost_spike")], ())
    assert [f.type for f in incident.findings] == ["tool_loop", "cost_spike"]


def test_an_incident_is_called_the_same_by_whoever_sees_what_began_it() -> None:
    assert incident_id_of("agt_1", "5-0") == incident_id_of("agt_1", "5-0") != incident_id_of("agt_1", "5-1")
    assert incident_id_of("p", "m\ud800", "5.0").startswith("inc_")  # callers choose the names of models
