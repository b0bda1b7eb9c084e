"""`command` and `path_in`: what a command, a program that runs commands, or a path may reach."""

import shlex
from typing import Any

from gateway.policy.commands import path_problem, problem, program_problem
from gateway.policy.constraints.scope import Holds, Scope, Where

_EXECUTORS = frozenset({"exec_command", "write_stdin"})
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/zsh", "/bin/dash"})
_TAKES_TEXT = frozenset({"-c", "-lc"})


def command(wanted: dict[str, Any], where: Where) -> Holds:
    """A text is a command, a list its words; `sh -c TEXT` in a list is TEXT."""
    allow, paths = frozenset(wanted["allow"]), tuple(wanted.get("paths", ()))

    def check(text: str) -> str | None:
        return problem(text, allow, paths)

    def holds(value: Any, scope: Scope) -> str | None:
        text = _text_of(value)
        if text is None:
            return "is no command"
        found = program_problem(text, _EXECUTORS, check) if scope.program else check(text)
        return None if found is None else f"is not allowed: {found}"

    return holds


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        return None
    if len(value) == 3 and value[0] in _SHELLS and value[1] in _TAKES_TEXT:
        return str(value[2])
    return shlex.join(value)


def path_in(wanted: list[str], where: Where) -> Holds:
    """A list of paths, all of which must fit, is as good as one."""

    def holds(value: Any, scope: Scope) -> str | None:
        for path in value if isinstance(value, list) else (value,):
            found = path_problem(path, wanted) if isinstance(path, str) else "it is not text"
            if found is not None:
                return f"is not allowed: {found}"
        return None

    return holds
