"""`/agents/{id}/baseline`, over a real gateway and Redis."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.immune.record import new_record
from gateway.immune.watched import watch
from tests.edge.admin.conftest import problem
from tests.edge.admin.kept import Kept
from tests.immune.tau2 import calls
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.redis import RedisServer

PREFIX = "baseline:"


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture(scope="module")
def agent(gateway: GatewayProcess, shared_redis: RedisServer) -> str:
    """An agent of which a hundred calls are known."""
    made: str = gateway.ask("POST", "/agents", json={"name": "known"}).json()["agent_id"]
    record = new_record(made, 1.7e9)
    for row in calls("022b3ed1", 1)[:100]:
        watch(record.state, replace(row, agent_id=made, prompt_hash="p1"))
    Kept(shared_redis.url, PREFIX).record(record)
    return made


def test_what_is_usual_of_an_agent_is_shown_in_units_that_people_read(gateway: GatewayProcess, agent: str) -> None:
    found = gateway.admin(f"/agents/{agent}/baseline").json()
    assert (found["agent_id"], found["warm"], found["calls"], found["throttled"]) == (agent, True, 100, False)
    assert found["conversations"] > 4 and isinstance(found["deviation"], float)
    rows = {row["metric"]: row for row in found["metrics"]}
    assert rows["output"]["model"] == "model of 022b3ed1" and rows["output"]["warm"]
    assert 0 < rows["output"]["low"] < rows["output"]["usual"] < rows["output"]["high"] < 2000
    assert found["forms"]["prompt"] == {"known": ["p1"], "warm": True, "volatile": False}
    (cap,) = found["caps"]
    assert cap["model"] == "model of 022b3ed1" and cap["output_tokens"] >= 2000 and cap["tool_calls"] >= 20


def test_of_an_agent_that_did_nothing_yet_nothing_is_known(gateway: GatewayProcess) -> None:
    made = gateway.ask("POST", "/agents", json={"name": "fresh"}).json()["agent_id"]
    found = gateway.admin(f"/agents/{made}/baseline").json()
    assert (found["warm"], found["calls"], found["metrics"], found["deviation"]) == (False, 0, [], None)
    for method, path in (("GET", "baseline"), ("POST", "baseline/accept")):
        problem(gateway.ask(method, f"/agents/agt_nobody/{path}"), 404)


def test_what_it_does_now_is_accepted_by_whoever_watches_it(gateway: GatewayProcess, agent: str) -> None:
    answer = gateway.ask("POST", f"/agents/{agent}/baseline/accept")
    said = answer.json()
    assert (answer.status_code, said) in (
        (200, {"agent_id": agent, "accepted": True, "pending": False}),
        (202, {"agent_id": agent, "accepted": False, "pending": True}),
    )
    viewer = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    problem(gateway.ask("POST", f"/agents/{agent}/baseline/accept", key=viewer), 403)
    assert gateway.ask("GET", f"/agents/{agent}/baseline", key=viewer).status_code == 200
