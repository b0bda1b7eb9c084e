"""`leuko connect`: what it prints; that clients work with it is tried in tests/clients/test_connect.py."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.connect_clients import CLIENTS, PLACEHOLDER, Client, Place, clients_table
from tests.commands.conftest import read, run
from tests.support.prepared import ROOT

NASTY = 'it\'s "$HOME"`id`;#&!!\\n~*=ls'
ours = pytest.mark.parametrize("client", Client)


@pytest.fixture(autouse=True)
def nobody_said_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GATEWAY_URL", "GATEWAY_PORT", "GATEWAY_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def environment(script: str, shell: str = "bash", **env: str) -> dict[str, str]:
    """What variables are set once the script was pasted; `command` calls nothing here."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"NOT TESTED: {shell} is not installed")
    given = {"PATH": "/usr/bin:/bin", **env}
    text = f"curl() {{ :; }}\n{script}\nenv -0"
    ran = subprocess.run([program, "-euc", text], env=given, capture_output=True, text=True, timeout=20, check=True)
    assert not ran.stderr
    pairs = (pair.partition("=") for pair in ran.stdout.split("\0") if pair)
    own = {"PWD", "OLDPWD", "HOME", "LOGNAME", "SHLVL", "_"}  # the shell's
    return {name: value for name, _, value in pairs if name not in given and name not in own}


@ours
@pytest.mark.parametrize("shell", ["bash", "sh", "zsh"])
def test_what_is_printed_sets_what_it_says(client: Client, shell: str) -> None:
    at = ("--url", "https://leuko.example:8443/gate", "--agent-key", "agk_1", "--upstream", "http://10.0.0.1:1")
    found = read(run("connect", client, *at, "-o", "json"))
    printed = run("connect", client, *at)
    assert printed.stdout == found["script"]
    pasted = environment(printed.stdout, shell)
    if client is Client.LANGFUSE:
        headers = pasted.pop("OTEL_EXPORTER_OTLP_HEADERS"), found["environment"].pop("OTEL_EXPORTER_OTLP_HEADERS")
        assert all(one.startswith("Authorization=Basic%20") for one in headers)
    assert pasted == found["environment"] != {}
    assert "leuko.example:8443/gate" in printed.stdout or "10.0.0.1:1" in printed.stdout


@ours
@pytest.mark.parametrize("shell", ["bash", "sh", "zsh"])
def test_what_is_given_is_never_run(client: Client, shell: str) -> None:
    settings = CLIENTS[client].settings(Place(f"http://h/{NASTY}", NASTY, f"http://h/{NASTY}"))
    pasted = environment(settings.script(), shell)
    assert all(pasted[name] == value for name, value in settings.environment.items() if name not in settings.shell)
    assert any(NASTY in value for value in pasted.values())


@ours
def test_nothing_that_is_printed_is_a_comment_and_notes_are_harmless_where_pasted(client: Client) -> None:
    printed = run("connect", client)
    assert not re.search(r"^\s*#", printed.stdout, re.MULTILINE), "zsh takes comments for commands"
    assert not re.search(r"[`$;&|<>]", printed.stderr)


def test_a_key_that_is_not_there_yet_has_a_placeholder_and_a_way_to_get_one() -> None:
    printed = run("connect", "openai-python")
    assert f"export OPENAI_API_KEY={PLACEHOLDER}" in printed.stdout
    assert "leuko keys create" in printed.stderr
    assert "leuko keys create" not in run("connect", "openai-python", "--agent-key", "agk_1").stderr


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_an_address_may_have_its_v1(path: str) -> None:
    printed = run("connect", "openai-python", "--url", f"http://127.0.0.1:4000{path}").stdout
    assert "OPENAI_BASE_URL=http://127.0.0.1:4000/v1\n" in printed


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("HTTPS://Leuko.example", "https://Leuko.example"),
        ("http://h?", "http://h"),
        ("http://h/gate/#", "http://h/gate"),
        ("http://[::1]:4000/v1/", "http://[::1]:4000"),
        ("https://h:443/gate/v1", "https://h:443/gate"),
    ],
)
def test_an_address_is_written_as_clients_can_add_to_it(given: str, base: str) -> None:
    found = read(run("connect", "openai-python", "--url", given, "-o", "json"))
    assert found["environment"]["OPENAI_BASE_URL"] == f"{base}/v1"


def test_an_ipv6_address_of_the_settings_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HOST", "::")
    assert "'http://[::1]:4000/v1'" in run("connect", "openai-python").stdout


def test_the_address_is_that_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("host: 0.0.0.0\nport: 4321\nadmin_port: 4322\n")
    assert "http://127.0.0.1:4321/v1" in run("connect", "openai-python").stdout
    (tmp_path / "gateway.yaml").write_text("port: none\n")
    assert "leuko: " in run("connect", "openai-python", code=1).stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--url", "ftp://h"),
        ("--url", "localhost:4000"),
        ("--url", "http://user@h"),
        ("--url", "http://h/?a=b"),
        ("--url", "http://h:99999"),
        ("--url", "http://h h"),
        ("--url", "http://h\\evil"),
        ("--url", "http://{a,b}"),
        ("--url", "http://[::1"),
        ("--upstream", "h"),
        ("--agent-key", "a b"),
        ("--agent-key", "agk_\nexport X=1"),
        ("--agent-key", ""),
    ],
)
def test_what_cannot_be_is_wrong_usage(option: str, value: str) -> None:
    assert option in run("connect", "curl", option, value, code=2).output


@ours
def test_an_authority_of_ones_own_is_told_to_the_client_as_it_takes_it(client: Client, tmp_path: Path) -> None:
    (tmp_path / "it's a ca.pem").write_text("")
    at = ("--url", "https://leuko.example", "--upstream", "https://10.0.0.1", "--ca-file", "it's a ca.pem")
    printed = run("connect", client, *at)
    path = str(tmp_path / "it's a ca.pem")
    trusting = {name for name, value in environment(printed.stdout).items() if value == path}
    assert trusting == ({CLIENTS[client].trust} if client is not Client.CURL else set())
    assert client is not Client.CURL or shlex.split(printed.stdout.splitlines()[-1])[2:4] == ["--cacert", path]
    assert not re.search(r"[`$;&|<>]", printed.stderr) and "not on this machine" not in printed.stderr
    plain = run("connect", client, *at[:4])
    assert path not in plain.stdout and ("--ca-file" in plain.stderr) is not CLIENTS[client].behind


@ours
def test_an_authority_is_of_no_use_without_tls(client: Client) -> None:
    at = ("--url", "http://127.0.0.1:4000", "--upstream", "http://127.0.0.1:1", "--ca-file", "ca.pem")
    assert "--ca-file" in run("connect", client, *at, code=2).output


def test_a_file_that_is_elsewhere_is_said_to_be() -> None:
    said = run("connect", "curl", "--url", "https://leuko.example", "--ca-file", "/etc/no such.pem").stderr
    assert "'/etc/no such.pem' is not on this machine" in said


def test_an_unknown_client_is_told_which_there_are() -> None:
    assert "claude-code" in run("connect", "emacs", code=2).output


def test_without_a_client_all_are_listed() -> None:
    listed: list[Any] = read(run("connect", "-o", "json"))
    assert [one["client"] for one in listed] == list(Client)
    assert [line.split()[0] for line in run("connect").stdout.splitlines()] == list(Client)


def test_codex_can_keep_what_it_is_told() -> None:
    import tomllib

    found = read(run("connect", "codex", "--url", "http://h:1", "-o", "json"))
    kept = tomllib.loads("\n".join(found["notes"][1:]))
    provider = kept["model_providers"]["leuko"]
    options = [one for one in shlex.split(found["script"].partition("command codex ")[2]) if "=" in one]
    told = tomllib.loads("\n".join(options))
    assert told == kept and provider["base_url"] == "http://h:1/v1"


def test_langfuse_gets_the_keys_of_the_shell() -> None:
    script = run("connect", "langfuse").stdout
    pasted = environment(script, LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY="s" * 90)
    assert pasted["OTEL_EXPORTER_OTLP_HEADERS"].startswith("Authorization=Basic%20cGs6c3Nz")
    assert "\n" not in pasted["OTEL_EXPORTER_OTLP_HEADERS"]


def test_the_readme_has_them_all() -> None:
    shown = re.search(r"<!-- clients -->\n\n?(.*?)\n*<!-- /clients -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None and shown[1].strip() == clients_table()
