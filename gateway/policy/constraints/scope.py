"""What a constraint may look at beside the value, and what it leaves behind."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from gateway.policy.names import Names
from gateway.policy.question import Facts
from gateway.policy.verdict import Count


@dataclass(slots=True)
class Scope:
    """One judged call.

    Attributes:
        program: whether the arguments are a program that may run commands, rather than a command.
        untrusted: the tools whose results are untrusted text, by the names that `names` gives.
        counts: what has to be counted if the call is let through; constraints add to it.
    """

    facts: Facts
    names: Names
    program: bool = False
    untrusted: Collection[str] = ()
    counts: list[Count] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a constraint: nothing is counted together with what another place counts."""

    document: str
    tool: str
    argument: str
    names: Names

    def inside(self, member: str | None) -> "Where":
        """The place of a member of this value; all its items (None) count together, at its own."""
        if member is None:
            return self
        return Where(self.document, self.tool, f"{self.argument}.{member}", self.names)


Holds = Callable[[Any, Scope], str | None]
"""What is wrong with a value, as a phrase that follows its name (`is not one of web, api`); None: nothing."""

Make = Callable[[Any, Where], Holds]
"""From what a document demands, already checked, to the check."""
