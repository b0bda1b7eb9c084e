"""The tools whose results are untrusted text, as a collection of names."""

from collections.abc import Collection, Iterable, Iterator

from gateway.policy.actions import fits
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.patterns import action_of


class Untrusted(Collection[str]):
    """Holds the names that `Names.known_as` gives to the tools which these entries call untrusted."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._keys = tuple(entry.tool.key for entry in entries if entry.tool.untrusted)

    def __contains__(self, name: object) -> bool:
        server, _, own = str(name).rpartition("/")
        return any(fits(key, own, "", server or None) for key in self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return (action_of(key) for key in self._keys)
