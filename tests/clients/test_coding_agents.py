"""Codex CLI and Claude Code: a refused command is said to whoever uses them, and they go on.

`npm ci --prefix tests/clients/coding_agents` installs them; they are apart from Node's SDKs, for they are large.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import GatewayClient
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway

PROGRAMS = Path(__file__).parent / "coding_agents" / "node_modules" / ".bin"
WITHIN = 60
ALLOWED, DENIED = "echo the-first-step", "cat /etc/shadow"
# Codex offers a web search that its provider runs, which is judged with the request; what is not allowed is left out.
POLICY = {
    "name": "coding",
    "strip_tools": True,
    "tools": {
        "exec_command": {"arguments": {"cmd": {"command": {"allow": ["echo", "ls"]}}}},
        "Bash": {"arguments": {"command": {"command": {"allow": ["echo", "ls"]}}, "description": {}}},
    },
}
CODEX = """
model = "stub-script"
model_provider = "leuko"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.leuko]
name = "Leuko"
base_url = "{url}/v1"
env_key = "LEUKO_KEY"
wire_api = "responses"
"""


@dataclass
class Desk:
    """A directory to work in, a home, and a gateway before a model that wants two commands, one after the other."""

    gateway: GatewayProcess
    agent_id: str
    env: dict[str, str]
    directory: Path

    def run(self, program: str, *args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(PROGRAMS / program), *args],
            env=self.env,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            stdin=subprocess.DEVNULL,
        )

    def asked(self) -> list[tuple[str, bool]]:
        """(what was decided, whether it was allowed), the oldest first; a model's call counts as one, too."""
        with GatewayClient(self.gateway.url, admin_key=ADMIN_KEY) as admin:
            entries = admin.logs(self.agent_id)
        return [
            (entry["tool"] or entry["action"], entry["allowed"])
            for entry in reversed(entries)
            if entry["kind"] == "decision"
        ]


def desk(tmp_path: Path, program: str, calls: list[dict[str, Any]], more: dict[str, str]) -> Iterator[Desk]:
    if shutil.which("node") is None or not (PROGRAMS / program).exists():
        pytest.skip(f"NOT TESTED: {program} is not installed; run `npm ci --prefix tests/clients/coding_agents`")
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"calls": [calls[0]]}, {"text": "Now the other one.", "calls": [calls[1]]}]))
    env = {"GATEWAY_POLICIES": json.dumps([POLICY]), "GATEWAY_DATA_DIR": str(tmp_path / "data")}
    home, directory = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    directory.mkdir()
    with running_gateway("--stub", "--stub-script", str(script), env=env) as gateway:
        with GatewayClient(gateway.url, admin_key=ADMIN_KEY) as admin:
            agent = admin.create_agent(program)
        values = {name: value.format(url=gateway.url, key=agent.api_key) for name, value in more.items()}
        clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
        yield Desk(gateway, agent.agent_id, {**clean, **values}, directory)


@pytest.fixture
def codex(tmp_path: Path) -> Iterator[Desk]:
    calls = [{"name": "exec_command", "arguments": {"cmd": command}} for command in (ALLOWED, DENIED)]
    for one in desk(tmp_path, "codex", calls, {"LEUKO_KEY": "{key}"}):
        settings = tmp_path / "home" / ".codex"
        settings.mkdir()
        (settings / "config.toml").write_text(CODEX.format(url=one.gateway.url))
        one.env["CODEX_HOME"] = str(settings)
        yield one


@pytest.fixture
def claude(tmp_path: Path) -> Iterator[Desk]:
    calls = [{"name": "Bash", "arguments": {"command": command, "description": "Go"}} for command in (ALLOWED, DENIED)]
    env = {
        "ANTHROPIC_BASE_URL": "{url}",
        "ANTHROPIC_API_KEY": "{key}",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "stub-echo",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    yield from desk(tmp_path, "claude", calls, env)


def check(desk: Desk, tool: str, first: "subprocess.CompletedProcess[str]", again: Any) -> None:
    """Told once, asked again at nobody's cost but the user's."""
    assert first.returncode == 0, first.stderr
    assert f"The call to the tool {tool} was refused by rule coding/tools/{tool}" in first.stdout
    model = ("call:model", True)
    expected = [model, (tool, True), model, (tool, False)]
    eventually(lambda: desk.asked() == expected)
    resumed = again()
    assert resumed.returncode == 0, resumed.stderr
    assert "was refused by rule" in resumed.stdout
    eventually(lambda: desk.asked() == [*expected, model, (tool, False)])


def test_codex_runs_what_is_allowed_says_what_was_refused_and_goes_on(codex: Desk) -> None:
    first = codex.run("codex", "exec", "--skip-git-repo-check", "Go on.")
    assert "the-first-step" in first.stderr, "the allowed command was run"
    check(
        codex,
        "exec_command",
        first,
        lambda: codex.run("codex", "exec", "--skip-git-repo-check", "resume", "--last", "?"),
    )


def test_claude_code_runs_what_is_allowed_says_what_was_refused_and_goes_on(claude: Desk) -> None:
    args = ("--model", "stub-script", "--allowedTools", "Bash")
    first = claude.run("claude", "-p", "Go on.", *args)
    check(claude, "Bash", first, lambda: claude.run("claude", "-p", "--continue", "?", *args))
