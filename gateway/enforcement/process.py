"""Stops a process of this machine (SIGSTOP) and lets it go on (SIGCONT).

A number alone does not say whose it is: it may be another's by now. So a process counts only if it had begun when its
number was written down, and is refused if it is the gateway itself, one it runs under, or the first of the system.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from gateway.enforcement.seen_process import Seen, ancestors, look, send
from gateway.enforcement.strategy import Case, EnforcementFailed

NAME = "process"
_WRITTEN_WITHIN = 10.0  # seconds that clocks may have been set by since the file was written
_SETTLE_SECONDS = 2.0
_POLL_SECONDS = 0.02
_MOST_BYTES = 100


class _Gone(EnforcementFailed):
    """What was meant does not run, or not any more: there is nothing to stop, and nothing to let go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(NAME, reason)


class Process:
    """One agent's process.

    Args:
        pid: its number; what has that number now is meant, and nothing that has it later.
        pid_file: the file that holds its number, written when it had begun. Read each time.
    """

    name = NAME

    def __init__(self, *, pid: int | None = None, pid_file: Path | None = None) -> None:
        assert (pid is None) != (pid_file is None)
        self._pid, self._file = pid, pid_file
        self._meant = None if pid is None else look(pid)
        self._stopped: Seen | None = None
        self.target: str | None = f"process {pid_file or pid}"

    async def contain(self, case: Case) -> None:
        self._stopped = await asyncio.to_thread(self._stop)
        await self._settled(stopped=True)

    async def release(self, case: Case) -> None:
        """One that has ended meanwhile needs no letting go."""
        with contextlib.suppress(_Gone):
            await asyncio.to_thread(self._let_go)
            await self._settled(stopped=False)
        self._stopped = None

    def _stop(self) -> Seen:
        seen = self._found()
        _check(seen.pid)
        if not seen.stopped:
            _send(seen, signal.SIGSTOP)
        return seen

    def _let_go(self) -> None:
        if self._stopped is not None:  # its file may name its successor by now
            with contextlib.suppress(_Gone):
                _send(self._stopped, signal.SIGCONT)
        seen = self._found()
        _check(seen.pid)
        if seen.stopped:
            _send(seen, signal.SIGCONT)

    async def _settled(self, *, stopped: bool) -> None:
        """A process that is busy in the kernel stops when that is over."""
        for _ in range(round(_SETTLE_SECONDS / _POLL_SECONDS)):
            seen = await asyncio.to_thread(self._found)
            if seen.stopped is stopped:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise _failed(f"has not {'stopped' if stopped else 'gone on'} within {_SETTLE_SECONDS:g} s")

    def _found(self) -> Seen:
        if self._file is not None:
            return _of_file(self._file)
        assert self._pid is not None
        seen = look(self._pid)
        if self._meant is None or seen is None:
            raise _Gone(f"no process has the number {self._pid}, or had it when the settings were read")
        if seen.started != self._meant.started:
            raise _Gone(f"another process has the number {self._pid} by now")
        return seen


def _of_file(file: Path) -> Seen:
    try:
        with file.open("rb") as opened:
            text, written = opened.read(_MOST_BYTES).strip(), os.fstat(opened.fileno()).st_mtime
    except FileNotFoundError:
        raise _Gone(f"{file}: is not there") from None
    except OSError as error:
        raise _failed(f"{file}: cannot be read: {error.strerror}") from None
    if not text.isdigit():
        raise _failed(f"{file}: holds no number")
    pid = int(text)
    _check_number(pid)
    seen = look(pid)
    if seen is None:
        raise _Gone(f"{file}: no process has the number {pid}")
    if seen.began > written + _WRITTEN_WITHIN:
        raise _Gone(f"{file}: the process {pid} began after that was written, so it is another one")
    return seen


def _send(seen: Seen, number: signal.Signals) -> None:
    try:
        send(seen, number)
    except ProcessLookupError:
        raise _Gone("its process has just ended") from None
    except OSError as error:
        raise _failed(f"cannot be signalled: {error.strerror}") from None


def _check_number(pid: int) -> None:
    if not 1 < pid < 2**31:
        raise _failed(f"{pid} is no process that may be stopped; allowed: a number above 1")


def _check(pid: int) -> None:
    _check_number(pid)
    own = os.getpid()
    if pid == own or pid in ancestors(own):
        raise _failed(f"{pid} is the gateway's own process, or one it runs under")


def _failed(reason: str) -> EnforcementFailed:
    return EnforcementFailed(NAME, reason)
