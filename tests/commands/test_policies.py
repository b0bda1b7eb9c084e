"""`leuko policy`: the policies of a running gateway."""

from pathlib import Path

import httpx
import pytest

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess, eventually

TEXT = """# what operators may do
name: cli-ops
match: {agents: [nobody]}
deny: ["delete *"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cli-ops.yaml"
    path.write_text(TEXT)
    return path


def test_documents_are_applied_shown_compared_and_rolled_back(leuko: Leuko, file: Path) -> None:
    assert "+deny" in leuko("policy", "diff", str(file), code=1).stdout
    checked = read(leuko("policy", "apply", str(file), "--dry-run", "-o", "json"))
    assert [(one["policy"], one["done"]) for one in checked] == [("cli-ops", "checked")]
    assert leuko("policy", "show", "cli-ops", code=1).stdout == ""
    for done in ("created", "unchanged"):
        (row,) = read(leuko("policy", "apply", str(file.parent), "-o", "json"))
        assert (row["policy"], row["version"], row["done"]) == ("cli-ops", 1, done)
    assert leuko("policy", "show", "cli-ops").stdout == TEXT
    assert leuko("policy", "diff", str(file)).stdout == ""
    file.write_text(TEXT + "  # nothing else\n")
    assert "+  # nothing else" in leuko("policy", "diff", str(file), code=1).stdout
    file.write_text(TEXT.replace("delete", "drop"))
    assert read(leuko("policy", "apply", str(file), "-o", "json"))[0]["done"] == "changed"
    compared = leuko("policy", "diff", "cli-ops", code=1).stdout
    assert "--- cli-ops@1\n+++ cli-ops@2\n" in compared and '+deny: ["drop *"]' in compared
    assert "version 3" in leuko("policy", "rollback", "cli-ops", "1").stdout
    assert leuko("policy", "show", "cli-ops", "--version", "3").stdout == TEXT
    assert leuko("policy", "diff", "cli-ops", "--version", "1").stdout == ""
    numbers = [one["version"] for one in read(leuko("policy", "versions", "cli-ops", "-o", "json"))]
    assert numbers == [3, 2, 1] and "cli-ops" in leuko("policy", "list").stdout
    assert leuko("policy", "delete", "cli-ops").stdout == "deleted cli-ops\n"
    assert leuko("policy", "delete", "cli-ops").stdout == "there was no policy cli-ops\n"
    leuko("policy", "rollback", "cli-none", "1", code=1)


def test_a_document_that_is_refused_is_told_by_its_place(leuko: Leuko, file: Path) -> None:
    file.write_text(TEXT + "alow: []")
    for verb in ("apply", "diff", "replay"):
        assert "alow: is not known; did you mean allow?" in leuko("policy", verb, str(file), code=1).stderr
    file.write_text(TEXT + "cases: [{call: {tool: read_file}, expect: deny}]")
    assert "cases[0]" in leuko("policy", "apply", str(file), "--dry-run", code=1).stderr
    leuko("policy", "show", "cli-ops", code=1)


def test_a_call_is_explained_and_a_denied_one_ends_with_three(leuko: Leuko, file: Path) -> None:
    file.write_text(TEXT.replace("match: {agents: [nobody]}\n", ""))
    leuko("policy", "apply", str(file))
    told = leuko("policy", "explain", "delete_disk", "--arguments", '{"disk": 1}', code=3).stdout
    assert "cli-ops/deny/0" in told and "RULE" in told
    assert read(leuko("policy", "explain", "--action", "Read File", "-o", "json"))["action"] == "read:file"
    leuko("policy", "explain", "x", "--arguments", "{", code=2)
    leuko("policy", "explain", code=1)
    leuko("policy", "delete", "cli-ops")


def test_a_file_is_tried_on_recorded_calls(leuko: Leuko, file: Path, gateway: GatewayProcess) -> None:
    ask = {
        "model": "stub-script",
        "messages": [{"role": "user", "content": "Go"}],
        "tools": [{"type": "function", "function": {"name": "delete_disk", "parameters": {}}}],
        "stub": [{"calls": [{"name": "delete_disk", "arguments": {}}]}],
    }
    headers = {"authorization": "Bearer sk-agent-0123456789-0"}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers=headers).raise_for_status()
    file.write_text(TEXT.replace("match: {agents: [nobody]}\n", ""))
    eventually(lambda: "delete_disk" in leuko("policy", "replay", str(file), "--since", "1h").stdout)
    told = leuko("policy", "replay", str(file), "--since", "1h").stdout
    assert "1 would change, 0 undecided" in told and "cli-ops/deny/0" in told
    assert read(leuko("policy", "replay", str(file), "--since", "2100-01-01T00:00:00Z", "-o", "json"))["judged"] == 0
    leuko("policy", "replay", str(file), "--since", "yesterday", code=1)
