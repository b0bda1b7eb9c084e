"""The control state on this machine's disk, for the day on which gateway and Redis come back together and Redis has
forgotten. Several processes may share one file: of two values of one field the newer stays."""

import fcntl
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import orjson

logger = logging.getLogger(__name__)

Item = tuple[int, bytes]
"""The epoch of a change and its value."""


class ControlFile:
    """Fields of the control state in one JSON file, replaced as a whole; only its user can read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, directory: Path, redis_url: str, prefix: str) -> "ControlFile":
        """The file for one Redis: what was blocked there says nothing about agents elsewhere."""
        where = f"{re.sub('//[^/]*@', '//', redis_url)} {prefix}"  # a new password is no other Redis
        return cls(directory / f"blocks-{hashlib.sha256(where.encode()).hexdigest()[:16]}.json")

    def read(self) -> dict[str, Item]:
        """What is on disk; nothing if there is no file, and no more than a line in the log if it cannot be read."""
        try:
            document = orjson.loads(self._path.read_bytes())
            return {field: (int(epoch), value.encode()) for field, (epoch, value) in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.error("The control state on disk cannot be read, Redis alone is believed: %s", error)
            return {}

    def write(self, items: Mapping[str, Item]) -> None:
        """Merge `items` into the file; durable on return.

        Raises OSError: the disk does not take it.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            merged = self.read()
            for field, item in items.items():
                if field not in merged or merged[field][0] < item[0]:
                    merged[field] = item
            self._replace(orjson.dumps({field: [epoch, value.decode()] for field, (epoch, value) in merged.items()}))
        finally:
            os.close(lock)

    def _replace(self, data: bytes) -> None:
        fresh = self._path.with_suffix(f".{secrets.token_hex(4)}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
