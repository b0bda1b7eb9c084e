"""The official conformance suite, against real servers, directly and through the gateway: it must say the same of both.

What the gateway itself answers may be better than the server's own answer, never worse.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.conformance import PYTHON_SERVER, Checks, checks, node, program, serving
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.mcp_client import agent_with_key
from tests.support.redis import RedisServer

REVISIONS = ("2025-11-25", "2026-07-28")
SERVERS = ("python", "typescript")
LASTING = {
    "2025-11-25": (
        "server-session-lifecycle",
        "server-sse-polling",
        "server-sse-multiple-streams",
        "tools-call-sampling",
        "tools-call-elicitation",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "server-stateless",
        "server-sse-multiple-streams",
        "http-header-validation",
        "http-custom-header-server-validation",
        "input-required-result-multi-round",
        "dns-rebinding-protection",
    ),
}
"""Scenarios that must be among those run: a suite that leaves them out shows nothing."""

RULES = {"name": "tools", "default": "allow", "deny": ["drop database"], "tools": {"test_error_handling": {}}}
"""Every call is judged, and none is denied."""
NOBODY = "http://127.0.0.1:9"
"""Where traces go, so that every message is told of its own."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """The address of each server."""
    if node() is None:
        pytest.skip("NOT TESTED: the MCP conformance suite is not installed; run `npm ci --prefix tests/clients/mcp`")
    if not PYTHON_SERVER.is_dir():
        pytest.skip("NOT TESTED: the Python MCP test server is missing; run `python -m tests.support.conformance`")
    python = [sys.executable, "-m", "mcp_everything_server", "--port", "{port}"]
    typescript = [*program("server-everything", "dist", "index.js"), "streamableHttp"]
    with serving(python, {"PYTHONPATH": str(PYTHON_SERVER)}) as one, serving(typescript, {"PORT": "{port}"}) as other:
        yield {"python": one, "typescript": other}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer, servers: dict[str, str], tmp_path_factory: Any) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "conformance:",
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("conformance")),
        "GATEWAY_MCP_SERVERS": json.dumps(servers),
        "GATEWAY_POLICIES": json.dumps([RULES]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": NOBODY,
        "OTEL_TRACES_SAMPLER": "always_on",
    }
    with running_gateway(env=env) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: GatewayProcess) -> str:
    return agent_with_key(gateway, "conformance")[2]


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_does_right_it_does_right_through_the_gateway(
    gateway: GatewayProcess, servers: dict[str, str], key: str, server: str, revision: str
) -> None:
    directly = checks(servers[server], revision)
    through = checks(f"{gateway.url}/mcp/{server}", revision, key=key)
    assert set(LASTING[revision]) <= set(directly) == set(through)
    assert all(directly.values()) and sum(map(len, directly.values())) > 60
    assert worse(directly, through) == {}


def worse(directly: dict[str, Checks], through: dict[str, Checks]) -> dict[str, Any]:
    """The checks that are left out, or whose outcomes are not as good."""
    return {
        f"{scenario}: {check}": (outcomes, through[scenario].get(check))
        for scenario, found in directly.items()
        for check, outcomes in found.items()
        if _faults(through[scenario].get(check, ["FAILURE", *outcomes])) > _faults(outcomes)
    }


def _faults(outcomes: list[str]) -> tuple[int, int]:
    """How many failures, and how many that are no success."""
    return outcomes.count("FAILURE"), len(outcomes) - outcomes.count("SUCCESS")
