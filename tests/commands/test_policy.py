"""`leuko policy`."""

from pathlib import Path

import pytest

from tests.commands.conftest import read, run

GOOD = """
name: ops
always_blocked: ["drop *"]
allow: ["read *"]
cases:
  - {call: {tool: read_file}, expect: allow}
  - {call: {tool: drop_table}, expect: deny}
"""


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of documents, which the settings name."""
    directory = tmp_path / "mine"
    directory.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_POLICY_DIR", str(directory))
    return directory


def test_good_documents_are_ok(policies: Path) -> None:
    (policies / "ops.yaml").write_text(GOOD)
    assert run("policy", "lint").stdout == "OK\n"
    assert read(run("policy", "lint", str(policies), "-o", "json")) == []


def test_every_error_of_every_file_is_said_and_fails(policies: Path) -> None:
    (policies / "a.yaml").write_text("name: a\nlimit: {}")
    (policies / "b.yaml").write_text("name: [")
    (policies / "c.yaml").write_text(GOOD)
    (policies / "d.yaml").write_text(GOOD)
    result = run("policy", "lint", str(policies), code=1)
    lines = [line.removeprefix(f"{policies}/") for line in result.stdout.splitlines()]
    assert lines[0] == "a.yaml: error: limit: is not known; did you mean limits?"
    assert lines[1].startswith("b.yaml: error: is not YAML")
    assert lines[2] == f"d.yaml: error: name: 'ops' is also the name of {policies}/c.yaml"
    assert len(lines) == 3
    found = read(run("policy", "lint", str(policies / "a.yaml"), "-o", "json", code=1))
    file = str(policies / "a.yaml")
    assert found == [{"file": file, "level": "error", "path": "limit", "problem": "is not known; did you mean limits?"}]


def test_advice_fails_only_if_asked_to(policies: Path) -> None:
    (policies / "ops.yaml").write_text('name: ops\nallow: ["drop table"]\nalways_blocked: ["drop *"]')
    lines = run("policy", "lint").stdout.splitlines()
    assert lines[0].endswith("ops.yaml: advice: allow[0]: drop table is never allowed: always_blocked[0] denies it")
    run("policy", "lint", "--strict", code=1)


def test_documents_of_the_environment_are_looked_at_too(policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_POLICIES", '[{"name": "x", "cases": [{"call": {"tool": "t"}, "expect": "deny"}]}]')
    told = "t: expected deny, found allow: no rule has a say"
    assert f"GATEWAY_POLICIES[0]: error: cases[0]: {told}" in run("policy", "lint", code=1).stdout
    assert f"GATEWAY_POLICIES[0]: cases[0]: {told}" in run("policy", "test", code=1).stdout


def test_cases_are_tried_and_counted(policies: Path) -> None:
    (policies / "ops.yaml").write_text(GOOD)
    assert run("policy", "test").stdout.split()[-3:] == ["ops", "2", "2"]
    (policies / "ops.yaml").write_text(GOOD.replace("tool: drop_table", "tool: readme"))
    (policies / "b.yaml").write_text("name: b\nmodes: {}")
    rows = {Path(row["file"]).name: row for row in read(run("policy", "test", "-o", "json", code=1))}
    assert rows["ops.yaml"]["failed"] == []
    assert rows["b.yaml"]["failed"] == ["modes: is {}; allowed: a mapping of at least one mode"]
    (policies / "ops.yaml").write_text(GOOD.replace("expect: allow", "expect: deny"))
    result = run("policy", "test", str(policies / "ops.yaml"), code=1)
    assert (
        "ops.yaml: cases[0]: read_file: expected deny, found allow by ops/allow/0: read * is allowed" in result.stdout
    )


def test_what_is_not_there_is_a_usage_error(policies: Path) -> None:
    run("policy", "lint", "nowhere.yaml", code=2)
    (policies / "ops.yaml").symlink_to("gone.yaml")
    assert "ops.yaml: cannot be read" in run("policy", "lint", code=1).output
    (policies / "ops.yaml").unlink()
    policies.rmdir()
    assert "cannot be read" in run("policy", "lint", code=1).output
    run("policy", "lint", "--config", "none.yaml", code=2)


def test_settings_that_are_wrong_are_said(policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "none")
    assert "GATEWAY_PORT" in run("policy", "test", code=1).output


def test_check_says_what_is_wrong_with_a_policy(policies: Path) -> None:
    (policies / "ops.yaml").write_text(GOOD.replace("expect: allow", "expect: deny"))
    assert "ops.yaml: cases[0]: does not hold: read_file: expected deny" in run("check", code=1).output
    (policies / "ops.yaml").write_text(GOOD)
    assert run("check").stdout.startswith("OK\n")
