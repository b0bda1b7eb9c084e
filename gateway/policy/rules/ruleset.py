"""One document, compiled: what it denies, what it allows, and in which mode."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.policy.clauses import Clauses, Mode
from gateway.policy.document import Document
from gateway.policy.names import Names
from gateway.policy.question import Facts
from gateway.policy.rules.entry import Entries
from gateway.policy.rules.patterns import Patterns
from gateway.policy.schemas import Schemas


@dataclass(frozen=True, slots=True)
class CompiledMode:
    """A mode's two lists."""

    name: str
    allow: Patterns
    deny: Patterns


class Ruleset:
    """The clauses of one document. `level` tells how specific it is: 0 for one about agents, 3 for everyone's.

    `default` is what it says of actions nothing else decides; None: no say.
    """

    def __init__(self, document: Document, names: Names, schemas: Schemas) -> None:
        clauses = document.clauses
        self.document = document
        self.clauses: Clauses = clauses
        self.names = names
        self.schemas = schemas
        self.name = document.name
        self.label = f"{document.name}@{document.version}"
        match = document.match
        self.level = 0 if match.agents else 1 if match.teams else 2 if match.environments else 3
        self.modes = {mode.name: _compiled(mode) for mode in clauses.modes}
        self._start = next(iter(self.modes.values()), None)
        self.allow = Patterns(clauses.allow)
        self.entries = Entries(clauses.tools, document.name, names)
        implied = "deny" if clauses.allow or clauses.modes or clauses.tools else None
        self.default = clauses.default or implied

    def mode(self, facts: Facts) -> CompiledMode | None:
        """The mode it is in; None for a document without modes. One that it does not have leaves it in its first."""
        return self.modes.get(facts.modes.get(self.name, ""), self._start) if self._start is not None else None

    def allowing_modes(self, facts: Facts) -> Sequence[CompiledMode]:
        """The modes whose `allow` holds now."""
        current = self.mode(facts)
        if current is None or self._start is None:
            return ()
        return (self._start,) if current is self._start else (self._start, current)


def _compiled(mode: Mode) -> CompiledMode:
    return CompiledMode(mode.name, Patterns(mode.allow), Patterns(mode.deny))
