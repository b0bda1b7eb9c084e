"""Constraints that need nothing but the value."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import re2

from gateway.policy.constraints.scope import Holds, Make, Scope, Where

_SHOWN = 10


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1, 1 is 1.0, numbers are compared exactly."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def _const(wanted: Any, where: Where) -> Holds:
    return lambda value, scope: None if same(value, wanted) else "is not the one value allowed"


def _enum(wanted: list[Any], where: Where) -> Holds:
    shown = ", ".join(str(one)[:80] for one in wanted[:_SHOWN]) + (", …" if len(wanted) > _SHOWN else "")
    phrase = f"is not one of {shown}"
    return lambda value, scope: None if any(same(value, one) for one in wanted) else phrase


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and value == value // 1,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(wanted: str | list[str], where: Where) -> Holds:
    names = [wanted] if isinstance(wanted, str) else wanted
    tests = [_TYPES[name] for name in names]
    phrase = f"is not of type {' or '.join(names)}"
    return lambda value, scope: None if any(test(value) for test in tests) else phrase


def _minimum(wanted: float, where: Where) -> Holds:
    return lambda value, scope: None if _is_number(value) and value >= wanted else f"is not a number from {wanted} up"


def _maximum(wanted: float, where: Where) -> Holds:
    return lambda value, scope: None if _is_number(value) and value <= wanted else f"is not a number up to {wanted}"


def _min_length(wanted: int, where: Where) -> Holds:
    def holds(value: Any, scope: Scope) -> str | None:
        return None if isinstance(value, str | list) and len(value) >= wanted else f"is shorter than {wanted}"

    return holds


def _max_length(wanted: int, where: Where) -> Holds:
    def holds(value: Any, scope: Scope) -> str | None:
        return None if isinstance(value, str | list) and len(value) <= wanted else f"is longer than {wanted}"

    return holds


def _pattern(wanted: str, where: Where) -> Holds:
    compiled = re2.compile(wanted)

    def holds(value: Any, scope: Scope) -> str | None:
        fits = isinstance(value, str) and _is_text(value) and compiled.fullmatch(value) is not None
        return None if fits else "does not have the form that is allowed"

    return holds


def _not_pattern(wanted: str, where: Where) -> Holds:
    compiled = re2.compile(wanted)

    def holds(value: Any, scope: Scope) -> str | None:
        found = any(not _is_text(text) or compiled.search(text) is not None for text in _spellings(value))
        return "holds what is not allowed in it" if found else None

    return holds


def _is_text(value: str) -> bool:
    """Whether it has an encoding: half of a surrogate pair has none, and no pattern can say anything of it."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _spellings(value: Any) -> Iterator[str]:
    """Every text and number inside a value, names of members too; strange letters also as the plain ones they show."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _spellings(key)
            yield from _spellings(member)
    elif isinstance(value, list):
        for item in value:
            yield from _spellings(item)
    else:
        text = value if isinstance(value, str) else str(value)
        yield text
        if not text.isascii():
            plain = unicodedata.normalize("NFKD", text)
            yield "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Mn"))


PLAIN: Mapping[str, Make] = {
    "const": _const,
    "enum": _enum,
    "type": _type,
    "minimum": _minimum,
    "maximum": _maximum,
    "min_length": _min_length,
    "max_length": _max_length,
    "pattern": _pattern,
    "not_pattern": _not_pattern,
}
