"""The tools of the simulated cloud."""

import json
from typing import Any

import jsonschema_rs
import pytest

from gateway.demo.cloud_state import Cloud, CloudError
from gateway.demo.cloud_tools import TOOLS, call
from tests.scenarios.tools import OPS, SRE

CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "list_services": ({}, '["web-server", "api-gateway", "database", "cache"]'),
    "get_service_status": (
        {"service": "api-gateway"},
        '{"service": "api-gateway", "status": "degraded", "version": "1.9.0", "restarts": 0}',
    ),
    "restart_service": ({"service": "cache"}, "cache was restarted"),
    "run_command": ({"command": "hostname"}, "ops-1\n"),
    "read_file": ({"path": "/etc/hostname"}, "ops-1\n"),
    "get_alerts": (
        {},
        '[{"service": "api-gateway", "severity": "critical", "summary": "api-gateway answers with errors"}]',
    ),
    "read_logs": ({"service": "cache", "lines": 1}, "2026-11-21T17:41:00Z cache INFO hit rate 0.97\n"),
    "get_fleet": ({}, '{"instances": 3}'),
    "scale_fleet": ({"count": 5}, "the fleet has 5 instances"),
    "rollback_deploy": ({"service": "api-gateway"}, "api-gateway is at 1.8.3 again"),
    "delete_database": ({"name": "orders"}, "orders and its 53310 rows are deleted"),
    "list_jobs": ({}, '{"backup": "Back up every database", "reindex": "Build the search index anew"}'),
    "run_job": ({"job": "backup"}, "backup ran"),
    "get_config": ({"key": "log_level"}, "info"),
    "update_config": ({"key": "log_level", "value": "debug"}, "log_level is set"),
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_does_what_it_says_and_is_remembered(name: str) -> None:
    cloud, (arguments, answer) = Cloud(), CALLS[name]
    jsonschema_rs.validator_for(TOOLS[name].definition(name)["inputSchema"]).validate(arguments)
    assert call(cloud, name, arguments) == answer
    assert list(cloud.calls) == [(name, arguments)]
    cloud.calls.clear()
    assert (cloud == Cloud()) is (TOOLS[name].effect == "read" or name == "run_command")


def test_the_assistants_of_the_scenarios_find_their_tools_here() -> None:
    for name, (about, takes) in {**SRE, **OPS}.items():
        assert (TOOLS[name].about, TOOLS[name].takes.keys()) == (about, takes.keys())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("restart_service", {}),
        ("restart_service", {"service": "billing"}),
        ("restart_service", {"service": 7}),
        ("restart_service", {"service": "cache", "force": True}),
        ("rollback_deploy", {"service": "cache"}),
        ("read_logs", {"service": "cache", "lines": 0}),
        ("read_logs", {"service": "cache", "lines": True}),
        ("read_logs", {"service": "cache", "lines": 1.0}),
        ("scale_fleet", {"count": -3}),
        ("delete_database", {"name": "billing"}),
        ("run_job", {"job": "billing"}),
        ("get_config", {"key": "billing"}),
        ("read_file", {"path": "/nowhere"}),
    ],
)
def test_what_cannot_be_done_changes_nothing(name: str, arguments: dict[str, Any]) -> None:
    cloud = Cloud()
    with pytest.raises(CloudError):
        call(cloud, name, arguments)
    cloud.calls.clear()
    assert cloud == Cloud()


@pytest.mark.parametrize("repair", ["restart_service", "rollback_deploy"])
def test_a_repair_ends_the_alert(repair: str) -> None:
    cloud = Cloud()
    call(cloud, repair, {"service": "api-gateway"})
    assert json.loads(call(cloud, "get_alerts", {})) == []
