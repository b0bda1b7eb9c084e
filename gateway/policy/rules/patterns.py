"""Lists of action patterns, compiled so that a call is compared with those only that could be about it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.policy.actions import fits
from gateway.policy.clauses import ActionPattern

Target = tuple[str, str]
"""What a call does to what: an action in normal form, and a resource, empty where nobody knows one."""


class Patterns:
    """The patterns of one list, in the author's order."""

    def __init__(self, patterns: Iterable[ActionPattern] = ()) -> None:
        self.all = tuple(patterns)
        self._exact: dict[str, list[tuple[int, ActionPattern]]] = {}
        self._by_verb: dict[str, list[tuple[int, ActionPattern]]] = {}
        self._loose: list[tuple[int, ActionPattern]] = []
        for one in enumerate(self.all):
            if "*" in one[1].verb:
                self._loose.append(one)
            elif "*" in one[1].noun:
                self._by_verb.setdefault(one[1].verb, []).append(one)
            else:
                self._exact.setdefault(action_of(one[1]), []).append(one)

    def __bool__(self) -> bool:
        return bool(self.all)

    def first(self, targets: Iterable[Target], server: str | None) -> int | None:
        """The position of a pattern that fits one of the targets."""
        if not self.all:
            return None
        return next(self.fitting(targets, server), None)

    def fitting(self, targets: Iterable[Target], server: str | None) -> Iterator[int]:
        """The positions of all patterns that fit; one comes again for each target that it fits."""
        for action, resource in targets:
            verb = action.partition(":")[0]
            for near in (self._exact.get(action, ()), self._by_verb.get(verb, ()), self._loose):
                for position, pattern in near:
                    if fits(pattern, action, resource, server):
                        yield position

    def may_fit(self, targets: Iterable[Target], server: str | None) -> bool:
        """Whether one of them fits for some resource."""
        anywhere = [replace(pattern, resource="*") for pattern in self.all]
        return any(fits(pattern, action, "", server) for action, _ in targets for pattern in anywhere)


def action_of(pattern: ActionPattern) -> str:
    """The action that a pattern without `*` stands for."""
    return f"{pattern.verb}:{pattern.noun}" if pattern.noun else pattern.verb
