"""Keeps the documents of files and settings and those made over the API together, as either changes."""

import logging
from collections.abc import Callable, Sequence

from gateway.phases.policies import InForce, Policies
from gateway.policy.document import Document
from gateway.store.policies import MadePolicies

log = logging.getLogger(__name__)

Compile = Callable[[Sequence[Document], InForce], InForce]
"""Of documents, given the set that they follow."""


class MergePolicies:
    """Swaps what is in force after every change, in one step.

    Args:
        written: the documents of files and settings.
        compile: turns documents into what agents are judged and bounded by.
    """

    def __init__(self, made: MadePolicies, in_force: Policies, written: Sequence[Document], compile: Compile) -> None:
        self._made = made
        self._in_force = in_force
        self._written = written
        self._compile = compile
        self._merge()
        made.on_change(self._made_changed)

    def use(self, written: Sequence[Document], compile: Compile) -> None:
        """From now on these documents and these settings."""
        self._written, self._compile = written, compile
        self._merge()

    def _made_changed(self) -> None:
        self._merge()
        log.info("The policy documents made over the API have changed")

    def _merge(self) -> None:
        documents = merged(self._written, self._made.documents())
        self._in_force.current = self._compile(documents, self._in_force.current)


def merged(written: Sequence[Document], made: Sequence[Document]) -> tuple[Document, ...]:
    """All of them; what was made over the API is in the place of what has its name in a file."""
    by_name = {document.name: document for document in (*written, *made)}
    return tuple(by_name.values())
