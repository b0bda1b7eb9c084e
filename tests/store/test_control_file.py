from pathlib import Path

import pytest

from gateway.store.control_file import ControlFile


def test_what_was_written_is_read_and_only_by_its_user(tmp_path: Path) -> None:
    file = ControlFile(tmp_path / "deep" / "state.json")
    assert file.read() == {}
    file.write({"key:a": (5, b'{"n":1}')})
    assert file.read() == {"key:a": (5, b'{"n":1}')}
    assert (tmp_path / "deep" / "state.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["state.json", "state.lock"]


def test_of_two_values_the_newer_stays_whoever_writes_last(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    ControlFile(path).write({"a": (5, b"{}"), "b": (7, b"{}")})
    ControlFile(path).write({"a": (6, b"[]"), "b": (1, b"[]"), "c": (2, b"{}")})
    assert ControlFile(path).read() == {"a": (6, b"[]"), "b": (7, b"{}"), "c": (2, b"{}")}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": ["x", "y"]}', b"\xff"])
def test_a_file_that_cannot_be_read_is_no_reason_to_stop(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert ControlFile(path).read() == {}
    assert "cannot be read" in caplog.text
    ControlFile(path).write({"a": (1, b"{}")})
    assert ControlFile(path).read() == {"a": (1, b"{}")}
