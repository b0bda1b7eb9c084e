"""The agents' API as a whole."""

import httpx

from tests.edge.admin.conftest import problem
from tests.edge.agents_api.conftest import INGEST_KEY, AgentsApi


def test_a_path_or_method_that_is_not_there_is_a_problem(api: AgentsApi) -> None:
    problem(api.post("/nothing", {}), 404)
    headers = {"authorization": f"Bearer {INGEST_KEY}"}
    problem(httpx.get(f"{api.gateway.url}/api/v1/ingest", headers=headers), 405)


def test_a_body_past_the_limit_is_not_read(api: AgentsApi) -> None:
    problem(api.post("/ingest", {"agent_id": "a", "more": "x" * 1_100_000}), 413)


def test_a_body_that_is_no_json_is_a_problem(api: AgentsApi) -> None:
    headers = {"authorization": f"Bearer {INGEST_KEY}", "content-type": "application/json"}
    problem(httpx.post(f"{api.gateway.url}/api/v1/ingest", content=b"{", headers=headers), 422)
