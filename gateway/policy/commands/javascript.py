"""Programs in JavaScript that run commands."""

from collections.abc import Callable, Collection


def program_problem(program: str, executors: Collection[str], check: Callable[[str], str | None]) -> str | None:
    """Why this program is denied; None: it is allowed."""
    return "programs are not allowed here"
