"""What `/agents` and `/lifecycle` say of agents that were never blocked, and of those that were."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.immune.course import Course
from gateway.immune.record import Record, new_record
from gateway.immune.watched import watch
from gateway.model.lifecycle import Life
from tests.edge.admin.conftest import problem
from tests.edge.admin.kept import Kept
from tests.immune.tau2 import calls
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.redis import RedisServer

PREFIX = "states:"


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}
    with running_gateway("--stub", env=env) as one:
        yield one


def suspect(agent_id: str) -> Record:
    """An agent with some past that has just become suspect."""
    record = new_record(agent_id, 1.7e9)
    for row in calls("022b3ed1", 1)[:60]:
        watch(record.state, replace(row, agent_id=agent_id))
    life = Life(agent_id).moved("HEALTHY", 1.7e9, "warm", "gateway").moved("SUSPECTED", 1.7e9 + 120, "odd", "gateway")
    record.life = replace(life, incident_id="inc_suspect")
    record.course = Course("SUSPECTED")
    return record


@pytest.fixture
def agent(gateway: GatewayProcess, shared_redis: RedisServer) -> Iterator[str]:
    made = gateway.ask("POST", "/agents", json={"name": "watched"}).json()["agent_id"]
    Kept(shared_redis.url, PREFIX).record(suspect(made))
    yield made
    gateway.ask("DELETE", f"/quarantine/{made}")
    assert gateway.ask("DELETE", f"/agents/{made}").status_code == 204


def test_an_agent_that_was_never_blocked_is_as_its_record_says(gateway: GatewayProcess, agent: str) -> None:
    shown = gateway.admin(f"/agents/{agent}").json()
    assert (shown["state"], shown["throttled"], shown["remedies"]) == ("SUSPECTED", False, [])
    assert isinstance(shown["deviation"], float) and shown["deviation"] == round(shown["deviation"], 2)
    assert [one["state"] for one in gateway.admin("/agents").json()["items"]] == ["SUSPECTED"]
    life = gateway.admin(f"/lifecycle/{agent}").json()
    assert (life["state"], life["incident_id"], life["since"]) == (
        "SUSPECTED",
        "inc_suspect",
        "2023-11-14T22:15:20.000Z",
    )
    assert [(move["state"], move["cause"]) for move in life["history"]] == [("HEALTHY", "warm"), ("SUSPECTED", "odd")]


def test_a_quarantine_goes_on_from_there_in_the_same_incident(gateway: GatewayProcess, agent: str) -> None:
    said = gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "enough"}).json()
    assert (said["state"], said["incident_id"]) == ("QUARANTINED", "inc_suspect")
    assert gateway.admin(f"/agents/{agent}").json()["state"] == "QUARANTINED"
    history = gateway.admin(f"/lifecycle/{agent}").json()["history"]
    assert [move["state"] for move in history] == ["HEALTHY", "SUSPECTED", "DRAINING", "QUARANTINED"]
    assert gateway.ask("DELETE", f"/quarantine/{agent}").json()["state"] == "PROBATION"
    assert gateway.admin(f"/agents/{agent}").json()["state"] == "PROBATION"


def test_to_release_one_that_is_not_blocked_changes_nothing(gateway: GatewayProcess, agent: str) -> None:
    answer = gateway.ask("DELETE", f"/quarantine/{agent}")
    assert (answer.status_code, answer.json()["state"]) == (200, "SUSPECTED")
    assert gateway.admin(f"/lifecycle/{agent}").json()["incident_id"] == "inc_suspect"


def test_with_the_agent_what_was_learned_of_it_is_gone(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    made = gateway.ask("POST", "/agents", json={"name": "passing"}).json()["agent_id"]
    kept = Kept(shared_redis.url, PREFIX)
    kept.record(suspect(made))
    assert gateway.ask("DELETE", f"/agents/{made}").status_code == 204
    problem(gateway.admin(f"/lifecycle/{made}"), 404)
