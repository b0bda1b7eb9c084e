"""The compose file: what it names exists, and it gives away no more than it must."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from gateway.settings import load
from gateway.settings.names import spellings
from gateway.settings.sources import FIELDS
from tests.deploy.files import DEPLOY, promtool

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILES = {"observability", "demo"}
"""Beside the core, which needs none."""


def test_all_parts_are_there() -> None:
    assert {"gateway", "redis", "collector", "prometheus", "grafana"} <= SERVICES.keys()
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"gateway", "redis"}
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", ())} == PROFILES


def test_every_file_that_is_mounted_exists() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    for mount in mounts:
        source = mount.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], mount
    makefile = (DEPLOY.parent / "Makefile").read_text("utf-8")
    for secret in COMPOSE["secrets"].values():
        assert f"deploy/{Path(secret['file'])}" in makefile


def test_no_service_may_more_than_it_must() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only", name in ("grafana", "lgtm")), name
        assert not service.get("privileged") and "docker.sock" not in str(service)


def test_admin_and_dashboards_are_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["${LEUKO_BIND:-127.0.0.1}:4000:4000"]
    assert "ports" not in SERVICES["redis"] and COMPOSE["networks"]["state"] == {"internal": True}


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("FILE") or not any(word in name for word in ("KEY", "SECRET", "PASSWORD")), name
            assert name.endswith("FILE") <= str(value).startswith("/run/secrets/")


def test_the_gateway_knows_every_setting() -> None:
    known = {name for field, info in FIELDS.items() for name in spellings(field, secret=not info.repr)}
    known |= {f"{name}_FILE" for name in known}
    given = [name for name in SERVICES["gateway"]["environment"] if not name.startswith("OTEL_")]
    assert not set(given) - known


def test_redis_keeps_what_it_is_given() -> None:
    assert "noeviction" in SERVICES["redis"]["command"] and "--appendonly" in SERVICES["redis"]["command"]
    assert SERVICES["gateway"]["depends_on"]["redis"]["condition"] == "service_healthy"


def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yaml"))


def test_the_collector_uses_what_it_defines() -> None:
    document = yaml.safe_load((DEPLOY / "otel/collector.yaml").read_text("utf-8"))
    for pipeline in document["service"]["pipelines"].values():
        for kind, used in pipeline.items():
            assert set(used) <= document[kind].keys()
            assert kind != "processors" or used[0] == "memory_limiter"


def test_grafana_finds_its_dashboards_where_they_are_mounted() -> None:
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/leuko.yaml").read_text("utf-8"))
    where = provider["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{where}:ro" in SERVICES["grafana"]["volumes"]
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/leuko.yaml").read_text("utf-8"))
    assert sources["datasources"][0]["uid"] == "prometheus"


def test_make_starts_each_profile_with_what_it_listens_to() -> None:
    for profile, port in (("observability", "collector:4318"), ("demo", "lgtm:4318"), ("core", None)):
        command = ["make", "--dry-run", "--no-print-directory", "up", f"PROFILE={profile}"]
        ran = subprocess.run(command, cwd=DEPLOY.parent, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        (up,) = [line for line in ran.stdout.replace("\\\n", " ").splitlines() if " up --detach" in line]
        assert f"--profile {profile} " in up
        assert (f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{port} " in up) if port else "OTEL_" not in up
        assert port is None or port.split(":")[0] in SERVICES


def test_the_demos_tools_are_where_the_gateway_looks_for_them() -> None:
    makefile = (DEPLOY.parent / "Makefile").read_text("utf-8")
    (servers,) = re.findall(r"GATEWAY_MCP_SERVERS='([^']+)'", makefile)
    assert load(None, {"GATEWAY_MCP_SERVERS": servers}).mcp_servers["cloud"].url == "http://cloud:4100/mcp"
    command = SERVICES["cloud"]["entrypoint"]
    assert command[:3] == ["leuko", "demo", "cloud"] and command[-1] == "4100"
    assert set(SERVICES["cloud"]["networks"]) <= set(SERVICES["gateway"]["networks"])
    ran = subprocess.run([sys.executable, "-m", "gateway", *command[1:3], "--help"], capture_output=True, text=True)
    assert ran.returncode == 0 and "--host" in ran.stdout and "--port" in ran.stdout
