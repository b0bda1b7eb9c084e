"""The unit: systemd can read it, it gives the gateway little, and time to stop; its variables are settings."""

import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import load
from gateway.settings.model import Timeouts
from tests.deploy.files import DEPLOY
from tests.support.gateway import spawn_gateway

UNIT = DEPLOY / "systemd/leuko.service"
VARIABLES = DEPLOY / "systemd/leuko.env"


def lines() -> Iterator[tuple[str, str]]:
    for line in UNIT.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name, value


def analyze(*args: str) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: no systemd-analyze here")
    ran = subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_systemd_can_read_it(tmp_path: Path) -> None:
    here = tmp_path / "leuko.service"  # the program is not installed where the unit says
    here.write_text(UNIT.read_text("utf-8").replace("/opt/leuko/bin/leuko", "/bin/true"))
    said = analyze("verify", str(here))
    assert "leuko.service" not in said, said


def test_it_gives_the_gateway_little() -> None:
    """Of 100, where 0 is nothing to attack with; a service without any of this has 92 to 96."""
    analyze("security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT))


def test_sections_are_what_they_are_said_to_be() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_a_stop_waits_for_the_streams() -> None:
    service = dict(lines())
    assert int(service["TimeoutStopSec"]) >= Timeouts().drain_stream + 2 + 10
    assert service["KillMode"] == "mixed" and "KillSignal" not in service
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_what_it_writes_is_where_it_may() -> None:
    service = dict(lines())
    given = variables()
    assert service["ProtectSystem"] == "strict"
    assert given["GATEWAY_DATA_DIR"] == f"/var/lib/{service['StateDirectory']}"
    assert service["WorkingDirectory"] == "/etc/leuko" and service["EnvironmentFile"] == "/etc/leuko/leuko.env"


def test_commands_find_the_gateway_as_the_unit_says(tmp_path: Path) -> None:
    """Without another user, and at other places."""
    (command,) = re.findall(r"^#   runuser -u leuko -- (.+)$", UNIT.read_text("utf-8"), re.M)
    data = str(tmp_path / "data")
    gateway = spawn_gateway(env={"GATEWAY_DATA_DIR": data}, secrets=False)
    try:
        gateway.wait_until_listening()
        port = gateway.url.rpartition(":")[2]
        (tmp_path / "leuko.env").write_text(f"# Where it is.\nGATEWAY_DATA_DIR={data}\nGATEWAY_PORT={port}\n")
        line = command.replace("/etc/leuko", str(tmp_path)).replace(
            "/opt/leuko/bin/leuko", f"{sys.executable} -m gateway"
        )
        ran = subprocess.run(
            ["sh", "-c", line], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0 and ran.stdout.startswith("AGENT_ID"), ran.stderr
    finally:
        gateway.stop()


def test_it_is_installed_from_what_was_locked() -> None:
    """As the image is."""
    steps = re.findall(r"^#   /opt/leuko/bin/pip (.+)$", UNIT.read_text("utf-8"), re.M)
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text("utf-8")
    assert len(steps) == 2 and all(f"/opt/leuko/bin/pip {step}" in dockerfile for step in steps)


def test_its_variables_are_settings(tmp_path: Path) -> None:
    given = variables()
    settings = load(None, given)
    assert settings.admin_port == 4001
    for name in ("redis_url", "admin_key", "gateway_secret", "tls.crt", "tls.key"):
        (tmp_path / name).write_text("redis://redis:6379/0" if name == "redis_url" else f"{name}-9Yq2Lw7TzKd4")
    everything = {
        name: value.replace("/etc/leuko", str(tmp_path)) for name, value in (given | variables(commented=True)).items()
    }
    settings = load(None, everything)
    assert settings.redis_url == "redis://redis:6379/0" and settings.host == "0.0.0.0" and settings.tls


def variables(*, commented: bool = False) -> dict[str, str]:
    pattern = r"^# ([A-Z_]+)=(.*)$" if commented else r"^([A-Z_]+)=(.*)$"
    return dict(re.findall(pattern, VARIABLES.read_text("utf-8"), re.M))
