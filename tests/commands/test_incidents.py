"""`leuko incidents`."""

from collections.abc import Iterator

import pytest

from gateway.immune.diagnosis import CAUSES, Diagnosis
from gateway.immune.finding import Finding
from gateway.immune.incident import Action, Incident
from tests.commands.conftest import Leuko, read
from tests.edge.admin.kept import Kept
from tests.support.gateway import GatewayProcess
from tests.support.redis import RedisServer


@pytest.fixture
def incident(gateway: GatewayProcess, keys_prefix: str, shared_redis: RedisServer) -> Iterator[str]:
    found = Finding("tool_loop", "identical", None, 1.8e9, "agt_1", "req_1", hard=True, detail={"tool": "look"})
    far = Finding("output_token_spike", "output", 7.126, 1.8e9, "agt_1", "req_2")
    made = Incident(
        "inc_cli", "agt_1", 1.8e9, findings=(found, far), state="QUARANTINED", reason="tool_loop",
        diagnoses=(Diagnosis("infinite_loop", 0.85), Diagnosis("unknown", 0.15)),
        actions=(Action("reset_memory", "applied", 1.8e9 + 1),),
    )  # fmt: skip
    Kept(shared_redis.url, keys_prefix).incidents(lambda incidents: incidents.open(made))
    yield made.incident_id


def test_incidents_are_listed_shown_and_judged(leuko: Leuko, incident: str) -> None:
    head, row = leuko("incidents", "list", "--agent", "agt_1", "--open").stdout.splitlines()
    assert head.split()[:3] == ["INCIDENT_ID", "AGENT_ID", "STATE"]
    assert "infinite_loop 0.85" in row and "7.13" in row and "QUARANTINED" in row
    assert "inc_cli" not in leuko("incidents", "list", "--closed").stdout
    assert read(leuko("incidents", "list", "-o", "json"))[0]["incident_id"] == incident
    shown = leuko("incidents", "show", incident).stdout
    assert "{" not in shown and "tool=look" in shown
    for part in ("findings", "diagnoses", "actions", "reset_memory", "infinite_loop"):
        assert part in shown
    assert "vitals" not in shown  # none is kept
    assert leuko("incidents", "feedback", incident, "prompt_drift").stdout == "inc_cli: prompt_drift\n"
    assert read(leuko("incidents", "show", incident, "-o", "json"))["actual_cause"] == "prompt_drift"


def test_what_cannot_be_said_is_told_in_one_line(leuko: Leuko, incident: str) -> None:
    assert "body.actual_cause" in leuko("incidents", "feedback", incident, "bad_luck", code=1).stderr
    assert "inc_none" in leuko("incidents", "feedback", "inc_none", "unknown", code=1).stderr
    assert "inc_none" in leuko("incidents", "show", "inc_none", code=1).stderr


def test_the_help_of_feedback_names_all_causes(leuko: Leuko) -> None:
    shown = " ".join(leuko("incidents", "feedback", "--help").stdout.split())
    assert [cause for cause in CAUSES if cause not in shown] == []
