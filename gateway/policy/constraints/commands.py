"""`command` and `path_in`: what a command, a program that runs commands, or a path may reach."""

import shlex
from collections.abc import Iterator
from typing import Any

from gateway.policy.commands import path_problem, problem, program_problem
from gateway.policy.constraints.scope import Holds, Scope, Where

_EXECUTORS = frozenset({"exec_command", "write_stdin"})
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/zsh", "/bin/dash"})
_TAKES_TEXT = frozenset({"-c", "-lc"})


def command(wanted: dict[str, Any], where: Where) -> Holds:
    """A text is a command, a list its words; `sh -c TEXT` in a list is TEXT.

    A list must hold also where a tool hands its words to a shell without quoting them.
    """
    allow, paths = frozenset(wanted["allow"]), tuple(wanted.get("paths", ()))

    def check(text: str) -> str | None:
        return problem(text, allow, paths)

    def holds(value: Any, scope: Scope) -> str | None:
        for text in _readings(value):
            found = program_problem(text, _EXECUTORS, check) if scope.program else check(text)
            if found is not None:
                return f"is not allowed: {found}"
        return None

    return holds


def _readings(value: Any) -> Iterator[str]:
    """Every text that a shell may get of it; what is no command at all is an empty one."""
    if isinstance(value, str):
        yield value
    elif not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        yield ""
    elif len(value) == 3 and value[0] in _SHELLS and value[1] in _TAKES_TEXT:
        yield value[2]
    else:
        yield shlex.join(value)
        if (bare := " ".join(value)) != shlex.join(value):
            yield bare


def path_in(wanted: list[str], where: Where) -> Holds:
    """A list of paths, all of which must fit, is as good as one."""

    def holds(value: Any, scope: Scope) -> str | None:
        for path in value if isinstance(value, list) else (value,):
            found = path_problem(path, wanted) if isinstance(path, str) else "it is not text"
            if found is not None:
                return f"is not allowed: {found}"
        return None

    return holds
