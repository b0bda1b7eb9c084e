"""The few things asked of a file system."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.spool.disk import Disk


def test_a_new_file_is_private_and_is_made_once(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "a"
    descriptor = disk.create(path)
    assert disk.write(descriptor, b"abc") == 3
    disk.truncate(descriptor, 1)
    disk.sync(descriptor)
    disk.close(descriptor)
    disk.sync_directory(tmp_path)
    assert path.read_bytes() == b"a"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        disk.create(path)


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    for text in (b"first and longer", b"second"):
        Disk().replace(tmp_path / "note", text)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("note", b"second")]


def test_room_can_be_kept(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "ballast"
    disk.reserve(path, 10_000)
    disk.reserve(path, 10_000)
    assert path.stat().st_size == 10_000
    assert disk.room(tmp_path) > 0
    with pytest.raises(OSError, match="."):
        disk.reserve(path, 1 << 60)
    assert not path.exists()


def test_a_small_volume_keeps_less_in_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Disk().ballast(tmp_path) == 16 * 1024 * 1024
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_blocks=6000, f_frsize=4096))
    assert Disk().ballast(tmp_path) == 6000 * 4096 // 8


def test_half_a_small_file_takes_nobodys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, path = Disk(), tmp_path / "note"
    disk.replace(path, b"whole")
    monkeypatch.setattr(disk, "write", lambda descriptor, data: os.write(descriptor, data[:3]))
    with pytest.raises(OSError, match="part"):
        disk.replace(path, b"another")
    assert path.read_bytes() == b"whole"
