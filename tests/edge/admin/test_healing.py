"""`/healing`, `/agents/{id}/heal` and `/heal-all`, over a real gateway and Redis."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.immune.diagnosis import Diagnosis
from gateway.immune.incident import Action, Incident
from gateway.store.connection import Connection
from gateway.store.fleet import Fleet
from gateway.store.immune_counts import ImmuneCounts
from tests.edge.admin.conftest import problem
from tests.edge.admin.kept import Kept
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

PREFIX = "healing:"


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture(scope="module")
def kept(shared_redis: RedisServer) -> Kept:
    return Kept(shared_redis.url, PREFIX)


@pytest.fixture
def agent(gateway: GatewayProcess) -> Iterator[str]:
    made = gateway.ask("POST", "/agents", json={"name": "ill"}).json()["agent_id"]
    yield made
    gateway.ask("DELETE", f"/quarantine/{made}")
    gateway.ask("DELETE", f"/agents/{made}")


def patient(gateway: GatewayProcess, agent: str) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = gateway.admin("/healing").json()["agents"]
    return next((one for one in found if one["agent_id"] == agent), None)


def test_an_agent_in_quarantine_is_a_patient_and_heal_now_treats_it_whoever_holds_it(
    gateway: GatewayProcess, agent: str
) -> None:
    said = gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "odd"}).json()
    found = patient(gateway, agent)
    assert found is not None
    assert (found["state"], found["held"], found["incident_id"]) == ("QUARANTINED", True, said["incident_id"])
    assert (found["cause"], found["approval"], found["remedies"]) == (None, None, [])
    answer = gateway.ask("POST", f"/agents/{agent}/heal")
    assert (answer.status_code, answer.json()["incident_id"]) == (200, said["incident_id"])
    assert answer.json()["state"] == "HEALING"
    eventually(lambda: gateway.admin(f"/agents/{agent}").json().get("state") == "PROBATION")  # 503 where Redis is slow
    found = patient(gateway, agent)
    assert found is not None and found["trigger"] == "heal_now" and found["remedies"]
    incident = gateway.admin(f"/incidents/{said['incident_id']}").json()
    assert (incident["state"], incident["trigger"], incident["closed_at"]) == ("PROBATION", "heal_now", None)
    log = gateway.admin("/healing").json()["items"]
    assert (log[0]["agent_id"], log[0]["incident_id"]) == (agent, said["incident_id"])
    assert (log[0]["action"], log[0]["outcome"]) == (found["remedies"][0], "applied")
    assert gateway.admin(f"/agents/{agent}").json()["remedies"] == found["remedies"]
    for _ in range(2):
        assert gateway.ask("DELETE", f"/healing/{agent}").status_code == 204
    assert gateway.admin(f"/agents/{agent}").json()["remedies"] == []
    problem(gateway.ask("DELETE", "/healing/agt_nobody"), 404)


def test_who_is_not_in_quarantine_cannot_be_healed(gateway: GatewayProcess, agent: str) -> None:
    assert "INITIALIZING cannot become HEALING" in problem(gateway.ask("POST", f"/agents/{agent}/heal"), 409)["detail"]
    problem(gateway.ask("POST", "/agents/agt_nobody/heal"), 404)
    gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "odd", "drain_seconds": 0})
    gateway.ask("DELETE", f"/quarantine/{agent}")
    assert "PROBATION cannot become HEALING" in problem(gateway.ask("POST", f"/agents/{agent}/heal"), 409)["detail"]
    assert patient(gateway, agent) is None  # released, not treated


def test_all_are_healed_but_those_that_somebody_holds_and_each_is_told(gateway: GatewayProcess, agent: str) -> None:
    assert gateway.ask("POST", "/heal-all").json() == {"items": [], "next_cursor": None}
    gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "mine"})
    (told,) = gateway.ask("POST", "/heal-all").json()["items"]
    assert (told["agent_id"], told["healing"], told["state"]) == (agent, False, "QUARANTINED")
    assert told["reason"] == "an operator holds it: heal it by its id"


def _open(kept: Kept, incident: Incident) -> None:
    kept.incidents(lambda incidents: incidents.open(incident))


def test_treatments_are_told_the_newest_first_and_page_by_page(gateway: GatewayProcess, kept: Kept) -> None:
    for number, at in enumerate((2e9, 2.1e9)):
        actions = (
            Action("ask:heal", "pending", at),
            Action("throttle", "failed", at + 1),
            Action("reset_memory", "healed", at + 2),
        )
        cases = Incident(
            f"inc_treated_{number}", "agt_gone", at, closed_at=at + 3,
            actions=actions, diagnoses=(Diagnosis("unknown", 1.0),),
        )  # fmt: skip
        _open(kept, cases)
    first = gateway.admin("/healing?limit=1").json()
    assert [(one["action"], one["outcome"]) for one in first["items"]] == [
        ("reset_memory", "healed"),
        ("throttle", "failed"),
    ]
    assert {one["incident_id"] for one in first["items"]} == {"inc_treated_1"}
    second = gateway.admin(f"/healing?limit=1&cursor={first['next_cursor']}").json()
    assert {one["incident_id"] for one in second["items"]} == {"inc_treated_0"}
    problem(gateway.admin("/healing?cursor=nowhere"), 422)


def test_what_remedies_did_is_counted_over_all_agents(gateway: GatewayProcess, kept: Kept) -> None:
    before = gateway.admin("/stats").json()

    async def count(connection: Connection) -> None:
        counts = ImmuneCounts(connection, clock=lambda: 0.0)
        for field in ("healed:infinite_loop:reset_memory",) * 3 + ("failed:infinite_loop:reset_memory",):
            await counts.add(field)

    kept.do(count)
    row = {"cause": "infinite_loop", "remedy": "reset_memory", "healed": 3, "failed": 1, "success_rate": 0.75}
    eventually(lambda: row in gateway.admin("/healing/patterns").json()["items"])
    after = gateway.admin("/stats").json()
    assert (after["healed"] - before["healed"], after["external"]) == (3, [])
    assert after["success_rate"] == 0.75


def test_to_heal_takes_an_operator(gateway: GatewayProcess, agent: str) -> None:
    viewer = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    for path in (f"/agents/{agent}/heal", "/heal-all"):
        problem(gateway.ask("POST", path, key=viewer), 403)
    for path in ("/healing", "/healing/patterns"):
        assert gateway.ask("GET", path, key=viewer).status_code == 200


def test_a_provider_in_trouble_is_named_among_the_numbers(gateway: GatewayProcess, kept: Kept) -> None:
    async def trouble(connection: Connection) -> None:
        fleet = Fleet(connection, clock=lambda: 1.7e9)
        await fleet.set_external(("openai", "gpt-4o"), 1.7e9, 4e9)
        await fleet.set_external(("openai", "o3"), 1.6e9, 1.6e9 + 60)

    kept.do(trouble)
    shown = gateway.admin("/stats").json()["external"]
    assert shown == [{"provider": "openai", "model": "gpt-4o", "since": "2023-11-14T22:13:20.000Z"}]
