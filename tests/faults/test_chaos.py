"""Simulated agents go wrong on a real gateway: it finds, stops and heals them, and leaves the others alone."""

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.demo.chaos_faults import FAULTS
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually

QUICK = ("tool", "outage")
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
