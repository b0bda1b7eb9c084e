"""Simulated agents go wrong on a real gateway: it finds, stops and heals them, and leaves the others alone."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.demo.chaos_faults import FAULTS
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, start_gateway
from tests.support.redis import RedisServer

QUICK = ("tool", "outage")
STRICT = {"name": "strict", "immune": {"sigma_action": "quarantine"}}
TREATED = {  # by what; where statistical evidence may quarantine
    "prompt": "rollback_prompt",
    "token": "reset_memory",
    "injection": "reset_memory",
    "retry": "throttle",
    "tool": "reset_memory",
    "error": "throttle",
}
PATHS = {"tool": "DRAINING → QUARANTINED → HEALING → PROBATION", "evasion": "DRAINING → QUARANTINED"}


@pytest.mark.parametrize(
    "fault", [name if name in QUICK else pytest.param(name, marks=pytest.mark.faults) for name in FAULTS]
)
def test_the_gateway_does_what_is_expected(
    stub_gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("gateway.demo.chaos._DELAY_MS", 25.0)
    monkeypatch.setattr("gateway.demo.chaos._WARM_REQUESTS", 50)
    options = ("--agents", "3", "--rate", "40", "--lasting", "1", "--url", stub_gateway.url, "--key", ADMIN_KEY)
    result = CliRunner().invoke(app, ["chaos", fault, *options])
    assert result.exit_code == 0, result.output
    assert PATHS.get(fault, "HEALTHY") in result.output
    eventually(lambda: stub_gateway.admin("/quarantine").json()["items"] == [])


@pytest.fixture
def strict_workers(own_redis: RedisServer, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Two workers that share the agents."""
    env = {
        "GATEWAY_REDIS_URL": own_redis.url,
        "GATEWAY_REDIS_PREFIX": f"strict{secrets.token_hex(4)}:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_POLICIES": json.dumps([STRICT]),
    }
    gateway = start_gateway("--stub", "--workers", "2", env=env)
    yield gateway
    gateway.stop()


@pytest.mark.parametrize(
    "fault", [name if name == "prompt" else pytest.param(name, marks=pytest.mark.faults) for name in TREATED]
)
def test_what_may_be_quarantined_is_diagnosed_treated_and_well_again(
    strict_workers: GatewayProcess, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("gateway.demo.chaos._WARM_REQUESTS", 60)
    options = ("--agents", "3", "--rate", "30", "--approve", "--url", strict_workers.url, "--key", ADMIN_KEY)
    result = CliRunner().invoke(app, ["chaos", fault, *options])
    assert result.exit_code == 0, result.output
    assert "DRAINING → QUARANTINED → HEALING → PROBATION → HEALTHY" in result.output
    assert f"{TREATED[fault]}: healed" in result.output
