"""The shell of the simulated cloud: a few programs over its files, in pipes and in turn. Nothing leaves the simulation.

No variables, globs, substitutions or redirections: what holds one is refused as a whole.
"""

import shlex
from collections.abc import Callable

from gateway.demo.cloud_state import NOW, Cloud, CloudError

_LONGEST = 4096
_REFUSED = frozenset("$`*?<>&(){}\\\n")
_LINES = 10

Program = Callable[[Cloud, list[str], str], str]


def run(cloud: Cloud, command: str) -> str:
    """What it prints. Raises CloudError; what came before in the line is done then."""
    plain = command.replace("&&", ";")
    if len(command) > _LONGEST or _REFUSED.intersection(plain):
        raise CloudError("sh: this shell takes plain words, quotes, |, ; and && only")
    try:
        lexer = shlex.shlex(plain, posix=True, punctuation_chars="|;")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError as error:
        raise CloudError(f"sh: {error}") from None
    printed = ""
    for line in _split(words, ";"):
        text = ""
        for stage in _split(line, "|"):
            text = _execute(cloud, stage, text)
        printed += text
    return printed


def _split(words: list[str], by: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == by:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _execute(cloud: Cloud, words: list[str], given: str) -> str:
    program = _PROGRAMS.get(words[0])
    if program is None:
        raise CloudError(f"sh: {words[0]}: not found")
    return program(cloud, words[1:], given)


def _operands(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _input(cloud: Cloud, paths: list[str], given: str) -> str:
    return "".join(cloud.file(path) for path in paths) if paths else given


def _count(words: list[str]) -> tuple[int, list[str]]:
    """The lines asked for as `-n 5` or `-5`, and the paths."""
    count, left = _LINES, list(words)
    if left and left[0].startswith("-"):
        option = left.pop(0).removeprefix("-").removeprefix("n") or (left.pop(0) if left else "")
        if not option.isdecimal():
            raise CloudError(f"illegal number of lines: {option}")
        count = int(option)
    return count, left


def _head(cloud: Cloud, words: list[str], given: str) -> str:
    count, paths = _count(words)
    return "".join(_input(cloud, paths, given).splitlines(True)[:count])


def _tail(cloud: Cloud, words: list[str], given: str) -> str:
    count, paths = _count(words)
    lines = _input(cloud, paths, given).splitlines(True)
    return "".join(lines[max(0, len(lines) - count) :])


def _grep(cloud: Cloud, words: list[str], given: str) -> str:
    wanted, *paths = _operands(words) or [""]
    lines = _input(cloud, paths, given).splitlines(True)
    found = [(at, line) for at, line in enumerate(lines, 1) if wanted in line]
    return "".join(f"{at}:{line}" if "-n" in words else line for at, line in found)


def _wc(cloud: Cloud, words: list[str], given: str) -> str:
    text = _input(cloud, _operands(words), given)
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text)}
    return (
        " ".join(str(count) for option, count in counts.items() if option in words or words == _operands(words)) + "\n"
    )


def _ls(cloud: Cloud, words: list[str], given: str) -> str:
    names = set()
    for path in _operands(words) or ["/"]:
        folder = path.rstrip("/") + "/"
        inside = [file.removeprefix(folder) for file in cloud.files if file.startswith(folder)]
        if not inside and path not in cloud.files:
            raise CloudError(f"ls: {path}: no such file or directory")
        names |= {name.partition("/")[0] for name in inside} or {path}
    return "".join(f"{name}\n" for name in sorted(names))


def _rm(cloud: Cloud, words: list[str], given: str) -> str:
    for path in _operands(words):
        gone = [file for file in cloud.files if file == path or file.startswith(path.rstrip("/") + "/")]
        if not gone:
            raise CloudError(f"rm: {path}: no such file or directory")
        for file in gone:
            del cloud.files[file]
    return ""


_PROGRAMS: dict[str, Program] = {
    "cat": lambda cloud, words, given: _input(cloud, _operands(words), given),
    "date": lambda cloud, words, given: NOW + "\n",
    "echo": lambda cloud, words, given: " ".join(words) + "\n",
    "grep": _grep,
    "head": _head,
    "hostname": lambda cloud, words, given: cloud.file("/etc/hostname"),
    "ls": _ls,
    "rm": _rm,
    "tail": _tail,
    "wc": _wc,
}
