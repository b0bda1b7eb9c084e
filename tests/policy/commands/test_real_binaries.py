"""Runs what is allowed with the binaries of this machine: it may neither read nor change anything outside the jail.

A table that takes a value for a flag, or a flag for a value, shows here: the working directory holds a file for
every word that may stand as a value, each with a secret in it, and relative paths are not allowed.
"""

import os
import random
import shlex
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from gateway.policy.commands import problem
from gateway.policy.commands.changers import CHANGERS
from gateway.policy.commands.readers import READERS
from gateway.policy.commands.usage import usage

_SECRET = "bb1f0b5c"
_WORDS = ("5", "x", "a", "1", "+5", "id", "n", "1,2", "--")
# `tail` may follow; `find` has no line.
_BINARIES = [name for name in (*READERS, *CHANGERS, "find") if shutil.which(name) and name != "tail"]


def _furnish(room: Path) -> dict[str, int]:
    """A jail, a working directory and a secret; returns what is outside the jail, with sizes."""
    shutil.rmtree(room, ignore_errors=True)
    for name, text in {"jail/a": "hello\nworld 5\n", "jail/b": "hello\n", "secret": _SECRET}.items():
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / name).write_text(text)
    (room / "cwd").mkdir()
    for word in _WORDS:
        (room / "cwd" / word).write_text(f"{_SECRET}\n")
    return _outside(room)


def _outside(room: Path) -> dict[str, int]:
    places = [room, room / "cwd"]
    return {str(path): path.stat().st_size if path.is_file() else 0 for place in places for path in place.iterdir()}


def _arguments(chance: random.Random, binary: str, room: Path) -> list[str]:
    line = usage({**READERS, **CHANGERS}.get(binary, ""))
    options = [*line.flags, *line.values, *line.attached] or ["-name"]
    letters = [option[1] for option in options if len(option) == 2] or ["x"]
    jail, outside = str(room / "jail"), str(room / "secret")
    operands = [jail, f"{jail}/a", f"{jail}/b", outside, *_WORDS, "-", "s/a/b/", "p", "{print}", ".", "%s"]
    pieces = (
        lambda: chance.choice(options),
        lambda: f"-{''.join(chance.choices(letters, k=2))}{chance.choice(('', '5'))}",
        lambda: f"-{''.join(chance.choices(string.ascii_letters, k=2))}",
        lambda: f"{chance.choice(options)}={chance.choice((outside, '5'))}",
        lambda: chance.choice(operands),
        lambda: chance.choice(operands),
        lambda: f"{jail}/{chance.choice('ab')}",
    )
    return [chance.choice(pieces)() for _ in range(chance.randint(1, 5))]


@pytest.mark.exhaustive
@pytest.mark.parametrize("binary", _BINARIES)
def test_what_is_allowed_stays_in_the_jail(binary: str, tmp_path: Path) -> None:
    chance = random.Random(binary)
    room = tmp_path / "room"
    before = _furnish(room)
    commands = {shlex.join([binary, *_arguments(chance, binary, room)]) for _ in range(300)}
    allowed = [command for command in sorted(commands) if problem(command, [binary], [f"{room}/jail/**"]) is None]
    for command in allowed[:12]:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            cwd=room / "cwd",
            check=False,
        )
        assert _SECRET.encode() not in done.stdout + done.stderr, command
        assert _outside(room) == before, command
        assert os.path.isdir(room / "jail"), command
        if binary in CHANGERS:
            _furnish(room)
