"""Slows down whoever tries keys, by where they come from. Only wrong keys are counted: a right one always passes."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FREE = 10  # wrong keys before the first wait: people mistype
_LONGEST = 60.0
_FORGOTTEN = 900.0
_SOURCES = 10_000


@dataclass(slots=True)
class _Source:
    tries: int = 0
    last: float = 0.0
    until: float = 0.0


class Backoff:
    """After 10 wrong keys a source waits 1 s, then 2, 4, … 60 s between two further ones; 15 quiet minutes and it is
    forgotten. The 10,000 sources seen last are known.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def wait(self, address: str) -> int:
        """Whole seconds for which wrong keys from there are not even answered; 0 if they are."""
        source = self._sources.get(_network(address))
        left = 0.0 if source is None else source.until - self._clock()
        return max(0, int(left) + (left > int(left)))

    def wrong(self, address: str) -> int:
        """Count a wrong key; how many more than the free ones this was."""
        now, key = self._clock(), _network(address)
        source = self._sources.pop(key, None)
        if source is None or now - source.last > _FORGOTTEN:
            source = _Source()
        self._sources[key] = source
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)
        source.tries, source.last = source.tries + 1, now
        beyond = max(0, source.tries - _FREE)
        if beyond:
            source.until = now + min(_LONGEST, 2.0 ** min(beyond - 1, 10))
        return beyond


def _network(address: str) -> str:
    """One household or machine: an IPv4 address, or the /64 that an IPv6 host chooses its address from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket, or no address at all
        return address[:100]
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((parsed, 64), strict=False))
