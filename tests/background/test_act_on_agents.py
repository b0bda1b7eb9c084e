from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.background.act_on_agents import Subject
from gateway.immune.course import Course
from gateway.immune.finding import Finding, FindingType
from gateway.immune.incident import Asked, Question
from gateway.immune.ladder import Treatment
from gateway.immune.lifecycle import Step
from gateway.immune.moves import healing, treated
from gateway.immune.prescription import Prescription
from gateway.immune.record import Record, new_record
from gateway.immune.settings import DEFAULT
from gateway.model.agent import Agent
from gateway.model.lifecycle import State
from tests.background.watching import START, Replica, loop, watching

SUBJECT = Subject(Agent("agt_1", credential_id="crd_1"), DEFAULT, entry="5-0")
SPIKE = Finding("output_token_spike", "output", 5.5, START, "agt_1", "req_1", "m-1", "talk")


@pytest.fixture
async def one(redis_url: str) -> AsyncIterator[Replica]:
    async with watching(redis_url, runs=False) as replica:
        yield replica


def suspected(*findings: Finding) -> Record:
    record = new_record("agt_1", START)
    record.life = record.life.moved("HEALTHY", START, "warm", "gateway")
    record.course = Course("HEALTHY").after(findings or (SPIKE,), START, call=True)
    return record


def move(before: State, after: State, cause: str = "odd", **other: bool) -> Step:
    return Step("move", cause, before, after, **other)


async def test_a_suspicion_opens_an_incident_and_its_end_closes_it(one: Replica) -> None:
    record = suspected()
    await one.act.do(record, move("HEALTHY", "SUSPECTED"), SUBJECT)
    assert record.life.state == "SUSPECTED" and record.life.incident_id is not None
    incident = await one.incidents.get(record.life.incident_id)
    assert incident is not None
    assert (incident.state, incident.reason, incident.agent_id) == ("SUSPECTED", "odd", "agt_1")
    assert [finding.metric for finding in incident.findings] == ["output"] and incident.diagnoses
    await one.act.do(record, move("SUSPECTED", "HEALTHY", "quiet"), SUBJECT)
    assert (record.life.state, record.life.incident_id) == ("HEALTHY", None)
    closed = await one.incidents.get(incident.incident_id)
    assert closed is not None and closed.closed_at is not None and closed.state == "HEALTHY"
    kinds = [kind for kind, _ in one.events]
    assert kinds == ["incident.opened", "lifecycle", "incident.closed", "lifecycle"]
    assert one.quarantine.of("agt_1") is None  # nothing of it is anybody else's business


async def test_an_incident_is_told_before_the_move_and_the_quarantine_after_it(one: Replica) -> None:
    record = suspected(loop("agt_1"))
    await one.act.do(record, move("HEALTHY", "DRAINING", "a loop"), SUBJECT)
    assert [kind for kind, _ in one.events] == ["incident.opened", "lifecycle"]
    assert [data["incident_id"] for _, data in one.events] == [record.life.incident_id] * 2
    assert [kind for kind, _ in one.alerts] == ["incident.opened", "agent.quarantined"]


async def test_what_is_done_again_after_a_crash_changes_nothing(one: Replica) -> None:
    for _ in range(2):
        record = suspected(loop("agt_1"))
        record.life = one.act.life(record)
        await one.act.do(record, move("HEALTHY", "DRAINING", "a loop"), SUBJECT)
    assert [kind for kind, _ in one.alerts] == ["incident.opened", "agent.quarantined"]
    found, _ = await one.incidents.page(limit=10)
    assert [incident.incident_id for incident in found] == [record.life.incident_id]
    assert [made.state for made in one.quarantine.blocked["agt_1"].history] == ["HEALTHY", "DRAINING"]


async def test_further_findings_are_added_to_the_incident_and_diagnosed_with_it(one: Replica) -> None:
    record = suspected()
    await one.act.do(record, move("HEALTHY", "SUSPECTED"), SUBJECT)
    await one.act.found(record, [loop("agt_1"), SPIKE], SUBJECT)
    incident = await one.incidents.get(record.life.incident_id or "")
    assert incident is not None
    assert {finding.type for finding in incident.findings} == {"tool_loop", "output_token_spike"}
    assert incident.diagnoses[0].cause == "infinite_loop"
    before = len(one.audit)
    await one.act.found(record, [loop("agt_1")], SUBJECT)
    assert len(one.audit) == before  # told once a minute


async def test_a_throttle_holds_until_it_is_taken_away_or_the_course_begins_anew(one: Replica) -> None:
    record = suspected()
    await one.act.do(record, move("HEALTHY", "SUSPECTED"), SUBJECT)
    await one.act.do(record, Step("throttle", "odd", sigma=True), SUBJECT)
    record.course = replace(record.course, throttled=True)
    await one.act.settle(record)
    assert one.prescriptions.of("agt_1").concurrent == 1
    await one.act.do(record, Step("unthrottle", "quiet"), SUBJECT)
    assert one.prescriptions.case("agt_1") is None
    await one.act.do(record, Step("throttle", "odd", sigma=True), SUBJECT)
    record.course = Course("PROBATION")
    await one.act.settle(record)
    assert one.prescriptions.case("agt_1") is None


async def test_the_end_of_probation_tells_healing_what_became_of_the_treatment(one: Replica) -> None:
    record = suspected(loop("agt_1"))
    await one.act.do(record, move("HEALTHY", "DRAINING"), SUBJECT)
    await one.quarantine.drained("agt_1")
    await one.quarantine.change("agt_1", lambda life: healing(life, START, "auto"))
    record.life, _ = await one.quarantine.change("agt_1", lambda life: treated(life, START, "reset_memory"))
    first = record.life.incident_id
    await one.act.do(record, move("PROBATION", "DRAINING", "again", relapse=True), SUBJECT)
    assert one.healing.ends == [("agt_1", "failed")]
    assert record.life.incident_id == first
    await one.quarantine.drained("agt_1")
    await one.quarantine.change("agt_1", lambda life: healing(life, START, "auto"))
    record.life, _ = await one.quarantine.change("agt_1", lambda life: treated(life, START, "throttle"))
    await one.act.do(record, move("PROBATION", "HEALTHY", "10 clean calls"), SUBJECT)
    assert one.healing.ends == [("agt_1", "failed"), ("agt_1", "healed")]
    assert (record.life.state, record.life.incident_id) == ("HEALTHY", None)
    incident = await one.incidents.get(first or "")
    assert incident is not None and incident.closed_at is not None


@pytest.mark.parametrize(("again", "approval"), [("tool_loop", "approved"), ("unsanctioned_call", None)])
async def test_what_was_approved_of_a_mild_case_does_not_hold_for_a_severe_one(
    one: Replica, again: FindingType, approval: str | None
) -> None:
    record = suspected(loop("agt_1"))
    await one.act.do(record, move("HEALTHY", "DRAINING"), SUBJECT)
    incident_id = record.life.incident_id or ""
    approved: dict[Question, Asked] = {"heal": Asked("apr_1", "approved", "adk_kim")}
    await one.incidents.change(incident_id, lambda one: replace(one, asked=approved, state="PROBATION"))
    await one.quarantine.drained("agt_1")
    await one.quarantine.change("agt_1", lambda life: healing(life, START, "approval"))
    record.life, _ = await one.quarantine.change("agt_1", lambda life: treated(life, START, "reset_memory"))
    record.course = Course("PROBATION").having([replace(loop("agt_1"), type=again)])
    await one.act.do(record, move("PROBATION", "DRAINING", "again"), SUBJECT)
    incident = await one.incidents.get(incident_id)
    assert incident is not None and (incident.state, incident.said("heal")) == ("DRAINING", approval)


async def test_a_person_is_asked_and_people_are_told_with_the_incident(one: Replica) -> None:
    record = suspected()
    await one.act.do(record, Step("ask", "odd", sigma=True), SUBJECT)
    assert one.healing.asked == [record.life.incident_id]
    await one.act.do(record, Step("tell", "odd", withheld="move"), SUBJECT)
    assert ("immune.alert", {"agent_id": "agt_1", "cause": "odd", "withheld": "move"}) in one.events
    assert one.audit[-1].action == "withhold:move"


async def test_where_no_room_is_left_statistical_evidence_throttles(one: Replica) -> None:
    for number in range(2):
        record = suspected()
        record.agent_id = f"agt_{number}"
        record.life = replace(record.life, agent_id=record.agent_id)
        await one.act.do(record, move("HEALTHY", "SUSPECTED"), SUBJECT)
        await one.act.do(record, move("SUSPECTED", "DRAINING", sigma=True), SUBJECT)
    assert len(one.quarantine.blocked) == 2
    record = replace(suspected(), agent_id="agt_9")
    await one.act.do(record, move("HEALTHY", "SUSPECTED"), SUBJECT)
    await one.act.do(record, move("SUSPECTED", "DRAINING", sigma=True), SUBJECT)
    await one.act.settle(record)
    assert len(one.quarantine.blocked) == 2
    assert one.prescriptions.of("agt_9").concurrent == 1 and record.course.throttled


async def test_an_operator_who_takes_an_agent_as_it_is_takes_away_the_remedies_that_last(one: Replica) -> None:
    record = suspected()
    treatment = Treatment(
        "prompt_injection", "revoke_tools", Prescription(("revoke_tools",), without_tools=frozenset({"sh"})), True
    )
    await one.prescriptions.treat("agt_1", "inc_1", treatment, START)
    assert one.act.gives_tools("agt_1")
    await one.prescriptions.end("agt_1")
    await one.act.accept(record)
    assert one.prescriptions.case("agt_1") is None
    assert not one.act.gives_tools("agt_1")
