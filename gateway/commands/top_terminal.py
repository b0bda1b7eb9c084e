"""The terminal that `leuko top` draws on: keys one by one, nothing echoed, everything put back at the end."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.live import Live
from rich.text import Text

_ESCAPES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b": "escape",
    b"\t": "tab",
    b"\r": "enter",
    b"\n": "enter",
    b"\x03": "q",
}


def keys_of(typed: bytes) -> list[str]:
    """The keys in what one reading brought; sequences that mean nothing here are left out as a whole."""
    found: list[str] = []
    while typed:
        length = _length(typed)
        part, typed = typed[:length], typed[length:]
        if part in _ESCAPES:
            found.append(_ESCAPES[part])
        elif part.isascii() and part.decode().isprintable():
            found.append(part.decode())
    return found


def _length(typed: bytes) -> int:
    """Of the first key (ECMA-48 section 5.4: parameters until a final byte from @ to ~)."""
    if not typed.startswith((b"\x1b[", b"\x1bO")):
        return 1
    end = next((at for at, byte in enumerate(typed[2:], 2) if 0x40 <= byte <= 0x7E), len(typed) - 1)
    return end + 1


class Terminal:
    """Draws lines and gives keys. `wake`, from any thread, ends a wait for keys."""

    def __init__(self, console: Console, live: Live, stdin: int) -> None:
        self._console = console
        self._live = live
        self._stdin = stdin
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        return self._console.size.width, self._console.size.height

    def draw(self, lines: list[Text]) -> None:
        self._live.update(Text("\n").join(lines), refresh=True)

    def keys(self, timeout: float) -> list[str]:
        """What was typed, as soon as something was, it was woken, or `timeout` seconds passed. `q` when nobody can type
        any more."""
        ready, _, _ = select.select([self._stdin, self._woken], [], [], timeout)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._stdin not in ready:
            return []
        typed = os.read(self._stdin, 256)
        return keys_of(typed) if typed else ["q"]

    def wake(self) -> None:
        with suppress(OSError):  # it is full, so somebody wakes it already, or closed
            os.write(self._waker, b"!")

    def close(self) -> None:
        os.close(self._waker)
        os.close(self._woken)


@contextmanager
def terminal() -> Iterator[Terminal]:
    """The terminal of this process for the length of a block, as a screen of its own; also given back when the process
    is told to end."""
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    endings = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    console = Console(markup=False, emoji=False, highlight=False)
    try:
        tty.setcbreak(stdin)
        _without_suspending(stdin)
        with Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live:
            made = Terminal(console, live, stdin)
            try:
                yield made
            finally:
                made.close()
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
        for number, handler in endings.items():
            signal.signal(number, handler)


def _without_suspending(stdin: int) -> None:
    """A process that is stopped in the middle leaves the terminal as only it understands it."""
    attributes = termios.tcgetattr(stdin)
    attributes[6][termios.VSUSP] = os.fpathconf(stdin, "PC_VDISABLE").to_bytes()
    termios.tcsetattr(stdin, termios.TCSADRAIN, attributes)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
