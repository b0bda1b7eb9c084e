"""One policy document: a mapping as people write it, checked and frozen.

Nothing is guessed: an unknown key, a wrong type, a number out of range refuses the document, naming the place.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.policy.bounds import BUDGETS, LIMITS, NANO, Bound, Kind
from gateway.policy.clauses import Clauses
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.place import Place, check_key, mapping, names, whole
from gateway.policy.parsing.sections import SECTIONS, read_clauses

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MATCH = ("agents", "teams", "environments")
_MOST = 10**12
_MOST_USD = 1_000_000


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
    """A document in force. `source` is the file it came from; `version` counts its changes, from 1; `raw` is what its
    author wrote, to be shown. `apart`: each agent is counted by itself, whatever it has proved."""

    name: str
    match: Match = Match()
    bounds: tuple[Bound, ...] = ()
    source: str = ""
    clauses: Clauses = Clauses()
    version: int = 1
    apart: bool = False
    raw: Mapping[Any, Any] = field(default_factory=dict, compare=False, repr=False)


def parse(raw: Mapping[Any, Any], source: str, servers: Collection[str] | None = None) -> Document:
    """Read one document; whether its cases hold is another question. Raises PolicyError for the first thing wrong.

    Args:
        source: the file, or where else it came from.
        servers: names of the MCP servers that there are, None where that is not known.
    """
    place = Place(source, servers=servers)
    for key in raw:
        check_key(place, key, ("name", "match", "limits", "budgets", *SECTIONS))
    name = raw.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise place.at("name").wrong(name, "up to 64 of a-z, 0-9, `.`, `_`, `-`")
    limits = _bounds(place.at("limits"), raw.get("limits"), LIMITS, budget=False)
    budgets = _bounds(place.at("budgets"), raw.get("budgets"), BUDGETS, budget=True)
    match = _match(place.at("match"), raw.get("match"))
    return Document(name, match, (*limits, *budgets), source, read_clauses(place, raw), raw=raw)


def parse_all(
    raws: Iterable[tuple[Mapping[Any, Any], str]], servers: Collection[str] | None = None
) -> tuple[Document, ...]:
    """Several documents, each with its source; no two may have one name. Raises PolicyError."""
    found: dict[str, Document] = {}
    for raw, source in raws:
        document = parse(raw, source, servers)
        if document.name in found:
            raise PolicyError(source, "name", f"{document.name!r} is also the name of {found[document.name].source}")
        found[document.name] = document
    return tuple(found.values())


def _match(place: Place, raw: object) -> Match:
    members = mapping(place, raw, _MATCH)
    return Match(**{key: names(place.at(key), value) for key, value in members.items()})


def _bounds(place: Place, raw: object, known: Mapping[str, Kind], *, budget: bool) -> tuple[Bound, ...]:
    members = mapping(place, raw, known)
    return tuple(
        Bound(key, known[key], _most(place.at(key), value, known[key]), budget) for key, value in members.items()
    )


def _most(place: Place, value: object, kind: Kind) -> int:
    if kind.measure == "usd":
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_USD:
            return int(Decimal(str(value)) * NANO)
        raise place.wrong(value, f"US dollars, from 0 to {_MOST_USD}")
    return whole(place, value, 0, _MOST)
