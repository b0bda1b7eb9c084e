"""Which gateway a command asks, and how it fails."""

from pathlib import Path

import pytest

from gateway.commands.session import Output, Session
from tests.commands.conftest import Leuko
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def test_without_url_and_key_the_settings_and_the_data_directory_say(
    gateway: GatewayProcess, leuko: Leuko, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GATEWAY_URL")
    monkeypatch.delenv("GATEWAY_ADMIN_KEY")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GATEWAY_PORT", gateway.url.rpartition(":")[2])
    missing = leuko("agents", "list", code=2)
    assert missing.stderr.count("\n") == 1 and "GATEWAY_ADMIN_KEY" in missing.stderr
    (tmp_path / "admin_key").write_text(ADMIN_KEY + "\n")
    assert "agt_" in leuko("agents", "list").stdout
    monkeypatch.setenv("GATEWAY_ADMIN_PORT", monkeypatch_port := gateway.url.rpartition(":")[2])
    monkeypatch.setenv("GATEWAY_PORT", "1")
    assert monkeypatch_port and "agt_" in leuko("agents", "list").stdout


def test_settings_that_are_wrong_are_told_in_one_line(leuko: Leuko, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_URL")
    monkeypatch.setenv("GATEWAY_PORT", "x")
    assert "GATEWAY_PORT" in leuko("agents", "list", code=1).stderr


def test_a_table_shows_no_control_characters_and_leaves_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(pytest.fail, Output.TABLE)  # it asks nobody
    session.show([{"a": "x\x1b[31m", "b": None}, {"a": ["p", "q"], "b": True}], ("a", "b"))
    session.show([], ("a", "b"))
    session.show_one({"name": {"x": 1, "y": {"z": [1, 2]}, "none": None}, "n": False, "e": {}, "l": []})
    session.show_one({"found": [{"type": "loop", "detail": {"tool": "a"}}, {"type": "spike", "detail": {}}], "n": 1})
    session.show([{"a": [{"x": 1}, {"y": "z"}]}], ("a",))
    assert capsys.readouterr().out.splitlines() == [
        "A       B",
        "x�[31m  -",
        "p,q     yes",
        "A  B",
        "name  x=1 y=(z=1,2)",
        "n     no",
        "e",
        "l",
        "found  type=loop detail=(tool=a)",
        "       type=spike detail=()",
        "n      1",
        "A",
        "(x=1),(y=z)",
    ]
