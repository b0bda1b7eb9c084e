"""One policy document: a mapping as people write it, checked and frozen.

Nothing is guessed: an unknown key, a wrong type, a number out of range refuses the document, naming the place.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.policy.bounds import BUDGETS, LIMITS, NANO, Bound, Kind
from gateway.policy.clauses import Clauses
from gateway.policy.errors import PolicyError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KNOWN = ("name", "match", "limits", "budgets", "default", "immune")
_LATER = (
    "enforcement", "models", "always_blocked", "modes", "allow", "deny", "execution", "schema", "strip_tools",
    "new_tools", "secrets", "sizes", "intents", "tools", "loops", "sequence", "cases",
)  # fmt: skip
_MATCH = ("agents", "teams", "environments")
_MOST = 10**12
_MOST_USD = 1_000_000
_MOST_PATTERNS = 1000


@dataclass(frozen=True, slots=True)
class Match:
    """Whom a document is about. An empty tuple leaves that open; given ones must all hold.

    `agents` holds patterns of ids and names, `teams` and `environments` plain names.
    """

    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document in force. `source` is the file it came from; `version` counts its changes, from 1."""

    name: str
    match: Match = Match()
    bounds: tuple[Bound, ...] = ()
    source: str = ""
    clauses: Clauses = Clauses()
    version: int = 1


def parse(raw: Mapping[Any, Any], source: str) -> Document:
    """Read one document. Raises PolicyError for the first thing that is wrong with it."""
    for key in raw:
        _check_key(source, "", key, _KNOWN, later=_LATER)
    name = raw.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise PolicyError(source, "name", f"is {_shown(name)}; allowed: up to 64 of a-z, 0-9, `.`, `_`, `-`")
    default = raw.get("default", "allow")
    if default != "allow":
        later = " in this version" if default == "deny" else ""
        raise PolicyError(source, "default", f"is {_shown(default)}; allowed{later}: allow")
    _mapping(source, "immune", raw.get("immune"))
    limits = _bounds(source, "limits", raw.get("limits"), LIMITS)
    budgets = _bounds(source, "budgets", raw.get("budgets"), BUDGETS)
    return Document(name, _match(source, raw.get("match")), (*limits, *budgets), source)


def parse_all(raws: Iterable[tuple[Mapping[Any, Any], str]]) -> tuple[Document, ...]:
    """Several documents, each with its source; no two may have one name. Raises PolicyError."""
    found: dict[str, Document] = {}
    for raw, source in raws:
        document = parse(raw, source)
        if document.name in found:
            raise PolicyError(source, "name", f"{document.name!r} is also the name of {found[document.name].source}")
        found[document.name] = document
    return tuple(found.values())


def _match(source: str, raw: object) -> Match:
    members = _mapping(source, "match", raw)
    for key in members:
        _check_key(source, "match", key, _MATCH)
    return Match(**{key: _names(source, f"match.{key}", value) for key, value in members.items()})


def _names(source: str, path: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or len(value) > _MOST_PATTERNS:
        raise PolicyError(source, path, f"is {_shown(value)}; allowed: a list of 1 to {_MOST_PATTERNS} names")
    for position, name in enumerate(value):
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            raise PolicyError(source, f"{path}[{position}]", f"is {_shown(name)}; allowed: up to 200 characters")
    return tuple(value)


def _bounds(source: str, section: str, raw: object, known: Mapping[str, Kind]) -> tuple[Bound, ...]:
    members = _mapping(source, section, raw)
    found = []
    for key, value in members.items():
        _check_key(source, section, key, known)
        kind = known[key]
        found.append(Bound(key, kind, _most(source, f"{section}.{key}", value, kind), section == "budgets"))
    return tuple(found)


def _most(source: str, path: str, value: object, kind: Kind) -> int:
    if kind.measure == "usd":
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_USD:
            return int(Decimal(str(value)) * NANO)
        raise PolicyError(source, path, f"is {_shown(value)}; allowed: US dollars, from 0 to {_MOST_USD}")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    raise PolicyError(source, path, f"is {_shown(value)}; allowed: a whole number from 0 to {_MOST}")


def _mapping(source: str, path: str, value: object) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PolicyError(source, path, f"is {_shown(value)}; allowed: a mapping")
    return value


def _check_key(source: str, path: str, key: object, known: Iterable[str], *, later: tuple[str, ...] = ()) -> None:
    names = tuple(known)
    if key in names:
        return
    where = f"{path}.{key}" if path else str(key)
    if key in later:
        raise PolicyError(source, where, "is not known in this version")
    close = difflib.get_close_matches(str(key), names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(names)}"
    raise PolicyError(source, where, f"is not known; {hint}")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:80]
