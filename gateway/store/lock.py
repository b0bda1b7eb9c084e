"""Exclusive files: who may use a data directory, and whether a redis-server still does."""

import fcntl
import os
from pathlib import Path

from gateway.store.errors import AlreadyRunning


class FileLock:
    """An exclusive flock on one file, held from `acquire` to `release` or the end of every process that has its fd."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._fd = fd
        return True

    def fileno(self) -> int:
        """The locked file."""
        assert self._fd is not None, "not held"
        return self._fd

    def release(self) -> None:
        """Close our copy of the file. Harmless if not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class DataDirLock:
    """One gateway a data directory: `leuko.lock` is locked and holds the owner's process number."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock = FileLock(data_dir / "leuko.lock")

    def acquire(self) -> None:
        """Make the directory, if needed, and own it.

        Raises:
            AlreadyRunning: another process does.
        """
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.acquire():
            raise AlreadyRunning(self._owner(), str(self._data_dir))
        fd = self._lock.fileno()
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two processes lock two files of one name."""
        self._lock.release()

    def _owner(self) -> int:
        try:
            return int(self._lock.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0
