"""Who may use the admin API."""

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-admin-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {ADMIN_KEY}"}],
)
def test_without_the_admin_key_there_is_nothing_to_see(gateway: GatewayProcess, headers: dict[str, str]) -> None:
    for path in ("/agents", "/agents/agt_x", "/stats"):
        problem(httpx.get(f"{gateway.url}/api/gateway{path}", headers=headers), 401)


def test_the_admin_key_counts_as_a_bearer_token_too(gateway: GatewayProcess) -> None:
    answer = httpx.get(f"{gateway.url}/api/gateway/stats", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.status_code == 200
