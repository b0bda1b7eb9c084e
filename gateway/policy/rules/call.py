"""One call as the guards see it: what it does in the eyes of each document, and what governs it there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.policy.clauses import OnDeny
from gateway.policy.question import Facts, Question
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.patterns import Patterns, Target
from gateway.policy.verdict import Count


@dataclass(slots=True)
class Call:
    """A question made ready for the guards.

    Attributes:
        action: of the tool, or the one asked about, in normal form; `server` the MCP server it is on.
        entries: by document, what its `tools` say of this tool; documents without a word on it are left out.
        targets: by document, as written and in plain form; what the call does in the eyes of one that is left out
            stands in `others`.
        unnamed: by document, the entry whose template of resources cannot be filled in.
        arguments: by name; None where they have no names.
        plain: the plain form of each target that is written, see `look_alikes`; empty where all are plain already.
        posing: by document, the entry of another tool whose name this one's only looks like.
        untrusted: the tools whose results any of the documents calls untrusted.
        counts: what the guards found that has to be counted if the call is let through.
        is_checked: whether a guard has held it against what the request offered.
    """

    question: Question
    facts: Facts
    action: str
    server: str | None
    others: tuple[Target, ...]
    entries: Mapping[str, Sequence[Entry]]
    targets: Mapping[str, tuple[Target, ...]]
    unnamed: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] | None = None
    untrusted: Collection[str] = ()
    plain: Mapping[Target, Target] = field(default_factory=dict)
    posing: Mapping[str, str] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)
    is_checked: bool = False

    def targets_of(self, document: str) -> tuple[Target, ...]:
        """What the call does in the eyes of this document."""
        return self.targets.get(document, self.others)

    def allowed_at(self, patterns: Patterns, document: str) -> int | None:
        """The position of what in a document's list allows the call: a denial may fit it in any form, what allows it
        must fit it as written, and something in the list its plain form."""
        if not self.plain:
            return patterns.first_written(self.targets_of(document), self.server)
        return next(self.allowing(patterns, document), None)

    def allowing(self, patterns: Patterns, document: str) -> Iterator[int]:
        """The positions of all such patterns."""
        for target in self.targets_of(document):
            form = self.plain.get(target) if self.plain else target
            if form == target or (form is not None and patterns.first((form,), self.server) is not None):
                yield from patterns.written((target,), self.server)

    def shown(self) -> str:
        """The action, where it can be said to an agent: it comes from what a model wrote."""
        action = self.others[0][0]
        fine = 0 < len(action) <= 64 and action.replace(":", "").replace("_", "").isalnum() and action.isascii()
        return action if fine else "this action"


@dataclass(frozen=True, slots=True)
class Found:
    """Why a document denies a call. `rule` is within the document; `lasting`: no person can lift it for one call."""

    rule: str
    reason: str
    on_deny: OnDeny | None = None
    lasting: bool = False


Check = Callable[[Call], Found | None]
