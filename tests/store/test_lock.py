import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.errors import AlreadyRunning
from gateway.store.lock import DataDirLock, FileLock


def test_a_file_is_locked_once(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    second.release()


def test_a_child_that_got_the_file_keeps_the_lock(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(first.fileno(),))
    first.release()
    assert not second.acquire()
    child.communicate(b"\n")
    assert second.acquire()
    second.release()


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="lock"):
        FileLock(tmp_path / "lock").acquire()
    assert not (tmp_path / "precious").exists()


def test_the_owner_of_a_data_directory_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "a" / "b"
    lock = DataDirLock(data_dir)
    lock.acquire()
    with pytest.raises(AlreadyRunning) as caught:
        DataDirLock(data_dir).acquire()
    assert caught.value.pid == os.getpid()
    assert str(caught.value).startswith(f"another gateway (process {os.getpid()}) is running on {data_dir};")
    lock.release()
    DataDirLock(data_dir).acquire()


def test_an_owner_without_a_readable_number_is_unknown(tmp_path: Path) -> None:
    lock = DataDirLock(tmp_path)
    lock.acquire()
    (tmp_path / "leuko.lock").write_text("x")
    with pytest.raises(AlreadyRunning, match="process unknown"):
        DataDirLock(tmp_path).acquire()
    lock.release()


def test_the_number_of_an_earlier_owner_does_not_shine_through(tmp_path: Path) -> None:
    (tmp_path / "leuko.lock").write_text("12345678901234567890\n")
    lock = DataDirLock(tmp_path)
    lock.acquire()
    assert (tmp_path / "leuko.lock").read_text() == f"{os.getpid()}\n"
    lock.release()
