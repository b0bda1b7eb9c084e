"""Lists of action patterns, compiled so that a call is compared with those only that could be about it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from gateway.policy.actions import fits
from gateway.policy.clauses import ActionPattern
from gateway.policy.look_alikes import plain_letters, plain_resource

Target = tuple[str, str]
"""What a call does to what: an action in normal form, and a resource, empty where nobody knows one."""


class Patterns:
    """The patterns of one list, in the author's order.

    What somebody wrote with escapes or letters of other alphabets also fits what is written plainly.
    """

    def __init__(self, patterns: Iterable[ActionPattern] = ()) -> None:
        self.all = tuple(patterns)
        self._written = _Index(enumerate(self.all))
        plain = [(place, _plain(one)) for place, one in enumerate(self.all)]
        others = [pair for pair in plain if pair[1] != self.all[pair[0]]]
        self._plain = _Index(others) if others else None

    def __bool__(self) -> bool:
        return bool(self.all)

    def first(self, targets: Collection[Target], server: str | None) -> int | None:
        """The position of a pattern that fits one of the targets."""
        found = self._written.first(targets, server) if self.all else None
        return found if found is not None or self._plain is None else self._plain.first(targets, server)

    def fitting(self, targets: Iterable[Target], server: str | None) -> Iterator[int]:
        """The positions of all patterns that fit; one comes again for each target that it fits."""
        for target in targets:
            yield from self._written.fitting(target, server)
            if self._plain is not None:
                yield from self._plain.fitting(target, server)

    def first_written(self, targets: Collection[Target], server: str | None) -> int | None:
        """The position of a pattern that fits one of the targets letter by letter."""
        return self._written.first(targets, server) if self.all else None

    def written(self, targets: Iterable[Target], server: str | None) -> Iterator[int]:
        """The positions of all such patterns."""
        for target in targets:
            yield from self._written.fitting(target, server)

    def may_fit(self, targets: Iterable[Target], server: str | None) -> bool:
        """Whether one of them fits for some resource."""
        anywhere = [replace(pattern, resource="*") for pattern in self.all]
        return any(fits(pattern, action, "", server) for action, _ in targets for pattern in anywhere)


class _Index:
    """Patterns with their positions, by the actions that they may be about."""

    def __init__(self, patterns: Iterable[tuple[int, ActionPattern]]) -> None:
        self._exact: dict[str, list[tuple[int, ActionPattern]]] = {}
        self._by_verb: dict[str, list[tuple[int, ActionPattern]]] = {}
        self._loose: list[tuple[int, ActionPattern]] = []
        for one in patterns:
            if "*" in one[1].verb:
                self._loose.append(one)
            elif "*" in one[1].noun:
                self._by_verb.setdefault(one[1].verb, []).append(one)
            else:
                self._exact.setdefault(action_of(one[1]), []).append(one)

    def first(self, targets: Collection[Target], server: str | None) -> int | None:
        for action, resource in targets:
            verb = action.partition(":")[0]
            for near in (self._exact.get(action, ()), self._by_verb.get(verb, ()), self._loose):
                for position, pattern in near:
                    if fits(pattern, action, resource, server):
                        return position
        return None

    def fitting(self, target: Target, server: str | None) -> Iterator[int]:
        action, resource = target
        verb = action.partition(":")[0]
        for near in (self._exact.get(action, ()), self._by_verb.get(verb, ()), self._loose):
            for position, pattern in near:
                if fits(pattern, action, resource, server):
                    yield position


def action_of(pattern: ActionPattern) -> str:
    """The action that a pattern without `*` stands for."""
    return f"{pattern.verb}:{pattern.noun}" if pattern.noun else pattern.verb


def _plain(pattern: ActionPattern) -> ActionPattern:
    verb, noun = plain_letters(pattern.verb).casefold(), plain_letters(pattern.noun).casefold()
    return replace(pattern, verb=verb, noun=noun, resource=plain_resource(pattern.resource))
