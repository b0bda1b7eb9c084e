"""A program on a pseudo-terminal, and the screen that a person would see there."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyte

from tests.support.prepared import ROOT

WITHIN = 20.0


class Program:
    """`python -m gateway` with these arguments. `raw` is all that it wrote."""

    def __init__(self, args: tuple[str, ...], env: Mapping[str, str], columns: int, lines: int) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.theirs = theirs
        clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**clean, "TERM": "xterm-256color", **env},
            start_new_session=True,
        )

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def modes(self) -> list[Any]:
        """The terminal's attributes (termios)."""
        return termios.tcgetattr(self.theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, holds: Callable[[str], object], within: float = WITHIN) -> str:
        """The screen, as soon as this holds for it."""
        end = time.monotonic() + within
        while not holds(self.text):
            assert time.monotonic() < end, f"it never looked so:\n{self.text}"
            self.read(0.05)
        return self.text

    def read(self, seconds: float) -> None:
        if select.select([self._ours], [], [], seconds)[0]:
            data = os.read(self._ours, 65536)
            self.raw += data
            self._stream.feed(data)

    def ended(self, within: float = WITHIN) -> int:
        """Its exit code."""
        end = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end:\n{self.text}"
            self.read(0.05)
        self.read(0)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)


@contextmanager
def on_terminal(
    *args: str, env: Mapping[str, str] | None = None, columns: int = 80, lines: int = 24
) -> Iterator[Program]:
    program = Program(args, env or {}, columns, lines)
    try:
        yield program
    finally:
        program.close()
