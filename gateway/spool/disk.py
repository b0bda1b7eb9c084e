"""What the record asks of a file system; one place, so that faults can be put in its place."""

import errno
import os
from pathlib import Path

_BALLAST = 16 * 1024 * 1024
_SHARE = 8


class Disk:
    """Files that only grow. Every method may raise OSError."""

    def create(self, path: Path) -> int:
        """A descriptor of a new file to append to; FileExistsError if it is there."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes) -> int:
        """How many bytes were taken."""
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes are on the disk."""
        getattr(os, "fdatasync", os.fsync)(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the names in a directory are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, path: Path, text: bytes) -> None:
        """Give a small file new contents: after a crash it has the old or the new ones, whole."""
        draft = path.with_name(path.name + ".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if self.write(descriptor, text) != len(text):
                raise OSError(errno.ENOSPC, "only a part of the file was taken")
            self.sync(descriptor)
        finally:
            self.close(descriptor)
        os.replace(draft, path)
        self.sync_directory(path.parent)

    def ballast(self, path: Path) -> int:
        """Bytes worth keeping free below `path`: less on a small volume, which would never have room beside them."""
        found = os.statvfs(path)
        return min(_BALLAST, found.f_blocks * found.f_frsize // _SHARE)

    def room(self, path: Path) -> int:
        """Bytes that may still be written below `path`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def reserve(self, path: Path, size: int) -> None:
        """Make a file of `size` bytes that really occupies them; what is there already stays."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            elif os.fstat(descriptor).st_size < size:
                os.write(descriptor, bytes(size))
        except OSError:
            os.unlink(path)  # a part of it would only take room away
            raise
        finally:
            os.close(descriptor)
