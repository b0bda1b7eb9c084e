"""Who may use the agents' API."""

from ipaddress import ip_network

import httpx
import pytest
from starlette.requests import Request

from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.problems import Problem
from gateway.edge.agents_api.access import AgentsAccess
from gateway.model.agent import Agent
from tests.edge.admin.conftest import problem
from tests.edge.agents_api.conftest import AgentsApi
from tests.support.gateway import ADMIN_KEY


@pytest.mark.parametrize("key", [None, "sk-anything-0123456789", ADMIN_KEY, "agk_00000000_" + "0" * 38])
def test_nobody_else_comes_in(api: AgentsApi, key: str | None) -> None:
    document = problem(api.post("/ingest", {"agent_id": "a"}, key), 401)
    assert "ingest key" in document["detail"]
    problem(api.post("/nothing", {}, key), 401)


def test_an_agents_key_may_come_in_its_own_header(api: AgentsApi) -> None:
    headers = {"x-agent-key": api.agent_key, "authorization": "Bearer sk-provider-0123456789"}
    answer = httpx.post(f"{api.gateway.url}/api/v1/ingest", json={}, headers=headers)
    assert answer.status_code == 202


def test_there_is_no_host_that_it_does_not_answer_to(api: AgentsApi) -> None:
    assert api.post("/ingest", {}, api.agent_key, host="gateway.example").status_code == 202


def test_the_keys_of_agents_and_of_ingest_open_no_admin_api(api: AgentsApi) -> None:
    for key in (api.agent_key, "igk-Tr7mWq2zLp9xVb4c"):
        answer = httpx.get(f"{api.gateway.url}/api/gateway/agents", headers={"x-admin-key": key})
        problem(answer, 401)


class Nobody:
    """Knows no agent."""

    def takes(self, credential: bytes) -> bool:
        return False

    async def agent(self, proof: bytes) -> Agent:
        raise AssertionError(proof)


async def status_of(access: AgentsAccess, key: str, address: str) -> int:
    headers = [(b"x-agent-key", key.encode()), (b"x-forwarded-for", address.encode())]
    with pytest.raises(Problem) as caught:
        await access(Request({"type": "http", "client": ("127.0.0.1", 1), "headers": headers}))
    return caught.value.status


async def test_behind_a_trusted_proxy_the_caller_waits_and_not_the_proxy() -> None:
    access = AgentsAccess(None, Nobody(), Backoff(lambda: 1000.0), trusted_proxies=[ip_network("127.0.0.0/8")])
    for number in range(20):
        last = await status_of(access, f"wrong-{number}", "192.0.2.1")
    assert (last, await status_of(access, "wrong", "192.0.2.2")) == (429, 401)
