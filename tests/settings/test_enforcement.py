"""What operators say about stopping agents: read from the environment or a file, and refused by key and value."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import SettingsError, load

WHSEC = "whsec_" + base64.b64encode(b"x" * 24).decode()
AGENT = "agt_ABCDEFGHIJKLMNOPQRSTUVWX"
HOOK = {"url": "http://127.0.0.1/x?token=1", "secret": WHSEC}
NAME = "GATEWAY_ENFORCEMENT_TARGETS"


def read(given: Any, env: dict[str, str] | None = None) -> Any:
    return load(None, {NAME: json.dumps(given), **(env or {})}).enforcement_targets


def test_each_agent_has_its_means(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text(WHSEC + "\n")
    found = read(
        {
            AGENT: {
                "process": {"pid_file": "/run/a.pid"},
                "container": {"docker": "agent-1"},
                "webhook": {"url": "https://a", "secret_env": "HOOK"},
                "restart": "container",
                "control": {"url": "http://10.0.0.1/control", "secret_file": str(secret_file)},
            },
            "billing-*": {"container": {"kubernetes": "deployment/billing", "namespace": "agents"}},
        },
        {"HOOK": WHSEC},
    )
    one, many = found[AGENT], found["billing-*"]
    assert one.process.pid_file == Path("/run/a.pid") and one.container.engine == "unix:///var/run/docker.sock"
    assert one.webhook.secret.get_secret_value() == one.control.secret.get_secret_value() == WHSEC
    assert many.container.kubernetes == "deployment/billing"


@pytest.mark.parametrize("name", ["targets.yaml", "targets.json"])
def test_they_may_stand_in_a_file_of_their_own(tmp_path: Path, name: str) -> None:
    given = {AGENT: {"process": {"pid": 12}}}
    path = tmp_path / name
    path.write_text(json.dumps(given) if name.endswith("json") else f"{AGENT}:\n  process: {{pid: 12}}\n")
    config = tmp_path / "gateway.yaml"
    for written in (f"enforcement_targets: {path}", f"enforcement_targets: {json.dumps(given)}"):
        config.write_text(written)
        assert load(config, {}).enforcement_targets[AGENT].process.pid == 12
    assert load(None, {NAME: str(path)}).enforcement_targets[AGENT].process.pid == 12


def test_without_them_there_are_none() -> None:
    assert load(None, {}).enforcement_targets == {}


def test_secrets_are_shown_nowhere() -> None:
    settings = load(None, {NAME: json.dumps({AGENT: {"webhook": HOOK, "control": HOOK}})})
    assert WHSEC not in repr(settings) and "token=1" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agt_x": {"webhook": HOOK}}, "agt_x: 'agt_x' is not an agent's id; allowed: agt_ and 24"),
        ({" ": {"webhook": HOOK}}, "is not a name; allowed: 1 to 200"),
        ({AGENT: {}}, f"{AGENT}: is empty; allowed: process, container"),
        ({AGENT: {"proces": {"pid": 2}}}, f"{AGENT}.proces: no such name; did you mean process?; allowed: process"),
        ({AGENT: {"process": {}}}, f"{AGENT}.process: has neither; allowed: one of pid, pid_file"),
        ({AGENT: {"process": {"pid": 2, "pid_file": "/a"}}}, "has pid and pid_file; allowed: one of"),
        ({AGENT: {"process": {"pid": 1}}}, f"{AGENT}.process.pid: 1 "),
        ({AGENT: {"process": {"pid": True}}}, "process.pid: True is not a number"),
        ({AGENT: {"process": {"pid_file": "a.pid"}}}, "pid_file: 'a.pid' is not an absolute path"),
        ({AGENT: {"process": {"pidfile": 1}}}, "process.pidfile: no such name; did you mean pid_file?; allowed: pid,"),
        ({AGENT: {"container": {}}}, "container: has neither; allowed: one of docker, kubernetes"),
        ({AGENT: {"container": {"docker": "../x"}}}, "docker: '../x' is not a container's name or id"),
        ({AGENT: {"container": {"docker": "x", "host": "unix://x"}}}, "host: 'unix://x' is not unix:// and the"),
        ({AGENT: {"container": {"docker": "x", "host": "ssh://x"}}}, "host: 'ssh://x' does not start with http://"),
        ({AGENT: {"container": {"docker": "x", "namespace": "y"}}}, "has namespace with docker"),
        ({AGENT: {"container": {"kubernetes": "pod/x"}}}, "'pod/x' is not deployment/NAME or statefulset/NAME"),
        ({AGENT: {"container": {"kubernetes": "deployment/X"}}}, "'deployment/X' is not deployment/NAME"),
        ({AGENT: {"container": {"kubernetes": "deployment/x", "host": "tcp://h:1"}}}, "has host with kubernetes"),
        ({AGENT: {"container": {"docker": "x", "ca_file": "/none"}}}, "ca_file: '/none' cannot be read"),
        ({AGENT: {"webhook": {"url": "ftp://a", "secret": WHSEC}}}, "webhook.url: 'ftp://a' does not start with"),
        ({AGENT: {"webhook": {"url": "https://a"}}}, "webhook: has no secret; allowed: secret, secret_env or"),
        ({AGENT: {"webhook": {**HOOK, "secret_env": "X"}}}, "webhook: has secret and secret_env; allowed"),
        ({AGENT: {"webhook": {"url": "https://a", "secret_env": "X"}}}, "secret_env names X, which is not set"),
        ({AGENT: {"webhook": {"url": "https://a", "secret_file": "/none"}}}, "secret_file: /none: cannot be read"),
        ({AGENT: {"webhook": {"url": "https://a", "secret": "whsec_x1"}}}, "webhook.secret: is not whsec_ and the"),
        ({AGENT: {"webhook": HOOK, "restart": "container"}}, "restart is container, and there is no container"),
        ({AGENT: {"webhook": HOOK, "restart": "docker"}}, "restart: 'docker' is not 'container' or 'webhook'"),
        ([], "is JSON, but not an object"),
        ("/none.yaml", "/none.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_key_and_value(given: Any, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {NAME: given if isinstance(given, str) else json.dumps(given)})
    assert NAME in str(refused.value) and said in str(refused.value)
    assert WHSEC not in str(refused.value) and "whsec_x1" not in str(refused.value)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text("- a\n")
    with pytest.raises(SettingsError, match="holds no mapping"):
        load(None, {NAME: str(path)})
