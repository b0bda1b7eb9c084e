"""Where in a document one is, and the reading of plain members there. Every function raises PolicyError."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.policy.errors import PolicyError

MOST = 1000
"""Members in any list or mapping whose length the author chooses."""

_LONGEST = 200
_MOST_NUMBER = 1e300  # a whole one beyond it may not fit a float
_DURATION = re.compile(r"([0-9]{1,9}) ?(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FLAGS = {"on": True, "yes": True, "off": False, "no": False}


@dataclass(frozen=True, slots=True)
class Place:
    """A member of a document. `servers` are the MCP servers that there are, None where nobody can say."""

    source: str
    path: str = ""
    servers: Collection[str] | None = None

    def at(self, key: object) -> "Place":
        """The member of that name, or of that position."""
        if isinstance(key, int) and not isinstance(key, bool):
            return replace(self, path=f"{self.path}[{key}]")
        return replace(self, path=f"{self.path}.{key!s:.80}" if self.path else f"{key!s:.80}")

    def error(self, problem: str) -> PolicyError:
        return PolicyError(self.source, self.path, problem)

    def wrong(self, value: object, allowed: str) -> PolicyError:
        """Says the value and what is allowed instead of it."""
        return self.error(f"is {shown(value)}; allowed: {allowed}")


def shown(value: object) -> str:
    """A value in a message."""
    return "missing" if value is None else f"{value!r:.80}"


def closest(name: object, names: Iterable[str]) -> str | None:
    """What an author probably meant."""
    close = difflib.get_close_matches(str(name)[:_LONGEST], list(names), n=1, cutoff=0.6)
    return close[0] if close else None


def check_key(place: Place, key: object, known: Iterable[str]) -> None:
    """`place` is the mapping's, `known` all that may stand in it."""
    names = tuple(known)
    if key not in names:
        close = closest(key, names)
        hint = f"did you mean {close}?" if close else f"allowed: {', '.join(names)}"
        raise place.at(str(key)).error(f"is not known; {hint}")


def mapping(place: Place, value: object, known: Iterable[str] | None = None) -> dict[str, Any]:
    """A mapping of these members, or of any; nothing written is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise place.wrong(value, "a mapping")
    if len(value) > MOST:
        raise place.error(f"has {len(value)} members; allowed: {MOST}")
    names = None if known is None else tuple(known)
    for key in value:
        if names is not None:
            check_key(place, key, names)
        elif not isinstance(key, str) or not 0 < len(key) <= _LONGEST:
            raise place.at(str(key)).error(f"is not a name; allowed: text of up to {_LONGEST} characters")
    return value


def listed(place: Place, value: object, what: str, *, fewest: int = 0) -> Iterator[tuple[Place, Any]]:
    """The places and values of a list's items. `what` says in messages what they are."""
    if not isinstance(value, list) or not fewest <= len(value) <= MOST:
        raise place.wrong(value, f"a list of {fewest} to {MOST} {what}")
    return ((place.at(position), item) for position, item in enumerate(value))


def text(place: Place, value: object, longest: int = _LONGEST) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise place.wrong(value, f"up to {longest} characters")
    return value


def names(place: Place, value: object) -> tuple[str, ...]:
    """At least one name or pattern of names."""
    return tuple(text(at, item) for at, item in listed(place, value, "names", fewest=1))


def word(place: Place, value: object, allowed: tuple[str, ...]) -> Any:
    """One of these words. JSON and older YAML have `false` for an unquoted `off`."""
    meant = "off" if value is False else value
    for one in allowed:
        if meant == one:
            return one
    close = closest(meant, allowed) if isinstance(meant, str) else None
    raise place.wrong(value, ", ".join(allowed) + (f"; did you mean {close}?" if close else ""))


def flag(place: Place, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _FLAGS:
        return _FLAGS[value]
    raise place.wrong(value, "true or false")


def whole(place: Place, value: object, fewest: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and fewest <= value <= most:
        return value
    raise place.wrong(value, f"a whole number from {fewest} to {most}")


def number(place: Place, value: object, fewest: float = -_MOST_NUMBER, most: float = _MOST_NUMBER) -> float:
    """A number; whole ones stay whole, they may be larger than a float can tell apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.wrong(value, "a number")
    if fewest <= value <= most:
        return value
    raise place.wrong(value, f"a number from {fewest:g} to {most:g}")


def seconds(place: Place, value: object, most: int) -> float:
    """A span of time: `90s`, `15m`, `1h`, `2d`, or a number of seconds."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        span: float = int(found[1]) * _SECONDS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        span = value
    else:
        raise place.wrong(value, "a span of time such as 90s, 15m, 1h or 2d")
    if not 0 < span <= most:  # not a number fits nothing either
        raise place.wrong(value, f"a span of time up to {most // 86_400}d")
    return float(span)
