"""What the system says of a process: enough to tell whether it is still the one that was meant.

Linux: proc(5). Elsewhere: ps(1) in the form that POSIX and the BSDs share, which macOS has.
"""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.model.value import value

_PS_SECONDS = 5.0
_MOST_ANCESTORS = 100


@value
class Seen:
    """A process that runs. `state` is one letter, T for stopped. `started` tells it from a later one with its number;
    `began` is about the same in seconds since the epoch."""

    pid: int
    parent: int
    state: str
    started: str
    began: float

    @property
    def stopped(self) -> bool:
        return self.state in "Tt"


def look(pid: int) -> Seen | None:
    """None where there is none, or one that has ended. May take milliseconds: not for an event loop."""
    seen = _from_proc(pid) if sys.platform == "linux" else from_ps(pid)
    return None if seen is None or seen.state in "ZX" else seen


def ancestors(pid: int) -> Iterator[int]:
    """The parents of a process, nearest first."""
    for _ in range(_MOST_ANCESTORS):
        seen = look(pid)
        if seen is None or seen.parent <= 1:
            return
        pid = seen.parent
        yield pid


def send(seen: Seen, number: signal.Signals) -> None:
    """Signal exactly this process. Raises ProcessLookupError when it has gone, PermissionError."""
    if sys.platform == "linux":
        try:
            handle = os.pidfd_open(seen.pid)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox that does not know it
                raise
        else:
            try:
                _same(seen)  # after this nobody else can have the number, as far as the handle is concerned
                signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
            return
    _same(seen)
    os.kill(seen.pid, number)


def _same(seen: Seen) -> None:
    now = look(seen.pid)
    if now is None or now.started != seen.started:
        raise ProcessLookupError


def _from_proc(pid: int) -> Seen | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    except (OSError, StopIteration):
        return None
    fields = stat.rpartition(")")[2].split()  # a name may hold spaces and brackets
    ticks = fields[19]
    began = int(boot.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
    return Seen(pid, int(fields[1]), fields[0], ticks, began)


def from_ps(pid: int) -> Seen | None:
    """The same by way of ps(1)."""
    command = ["ps", "-o", "ppid=,state=,lstart=", "-p", str(pid)]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_PS_SECONDS, env={**os.environ, "LC_ALL": "C"}, check=False
        )
        parent, state, *start = told.stdout.split()
        started = " ".join(start)
        began = time.mktime(time.strptime(started, "%a %b %d %H:%M:%S %Y"))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Seen(pid, int(parent), state[0], started, began)
