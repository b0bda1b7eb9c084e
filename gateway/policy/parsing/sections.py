"""Every section of a document and its reader, in one table: what is not in it is not known."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.policy.actions import read_pattern
from gateway.policy.clauses import ActionPattern, Clauses, Loops, Mode, Models, Sequence, Sizes
from gateway.policy.parsing.cases import read_cases
from gateway.policy.parsing.immune import read_immune
from gateway.policy.parsing.place import (
    Place,
    closest,
    flag,
    listed,
    mapping,
    names,
    seconds,
    text,
    whole,
    word,
)
from gateway.policy.parsing.tools import read_tools

Read = Callable[[Place, Any], Any]

_MODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MONTH = 30 * 86_400
_BYTES = 2**40
_CALLS = 1000


def read_clauses(place: Place, raw: Mapping[Any, Any]) -> Clauses:
    """What a document says beside whom it is about and how much it lets pass. Raises PolicyError."""
    found = {member: read(place.at(key), raw[key]) for key, (member, read) in SECTIONS.items() if key in raw}
    clauses = Clauses(**found)
    _check_cases(place, clauses)
    return clauses


def _check_cases(place: Place, clauses: Clauses) -> None:
    modes = [mode.name for mode in clauses.modes]
    for position, case in enumerate(clauses.cases):
        if case.mode is not None and case.mode not in modes:
            close = closest(case.mode, modes)
            hint = f"did you mean {close}?" if close else f"allowed: {', '.join(modes) or 'none, there are no modes'}"
            raise (
                place.at("cases")
                .at(position)
                .at("mode")
                .error(f"is {case.mode!r:.80}, no mode of this document; {hint}")
            )


def _either(*allowed: str) -> Read:
    return lambda place, value: word(place, value, allowed)


def _is(wanted: str, other: str) -> Read:
    """Whether it is the first of two words."""
    return lambda place, value: word(place, value, (wanted, other)) == wanted


def _pattern(place: Place, value: object) -> ActionPattern:
    try:
        found = read_pattern(value, place.servers or ())
    except ValueError as error:
        raise place.error(str(error)) from None
    if found.server is not None and place.servers is not None and found.server not in place.servers:
        # A rule about a server that is not there would say nothing, and nobody would hear it.
        close = closest(found.server, place.servers)
        hint = f"did you mean {close}?" if close else f"allowed: {', '.join(place.servers) or 'none, there are none'}"
        raise place.error(f"names the server {found.server!r:.80}, which is not configured; {hint}")
    return found


def _patterns(place: Place, value: object) -> tuple[ActionPattern, ...]:
    return tuple(_pattern(at, item) for at, item in listed(place, value, "actions"))


def _allow(place: Place, value: object) -> tuple[ActionPattern, ...]:
    found = _patterns(place, value)
    if not found:  # it would read as "nothing is allowed" and mean "there is no such list"
        raise place.error("is empty; allowed: at least one action (`default: deny` allows nothing)")
    return found


def _models(place: Place, value: object) -> Models:
    given = mapping(place, value, ("allow", "deny"))
    return Models(**{key: names(place.at(key), patterns) for key, patterns in given.items()})


def _modes(place: Place, value: object) -> tuple[Mode, ...]:
    given = mapping(place, value)
    if not given:
        raise place.wrong(value, "a mapping of at least one mode")
    seen: dict[str, str] = {}
    for name in given:
        if _MODE.fullmatch(name) is None:
            raise place.at(name).error("is no name of a mode; allowed: up to 64 letters, digits, `_`, `-`")
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise place.at(name).error(f"differs from {other!r} in case only")
    return tuple(_mode(place.at(name), name, members) for name, members in given.items())


def _mode(place: Place, name: str, value: object) -> Mode:
    given = mapping(place, value, ("allow", "deny"))
    return Mode(name, **{key: _patterns(place.at(key), patterns) for key, patterns in given.items()})


def _sizes(place: Place, value: object) -> Sizes:
    given = mapping(place, value, ("request_bytes", "arguments_bytes"))
    return Sizes(**{key: whole(place.at(key), most, 0, _BYTES) for key, most in given.items()})


def _intents(place: Place, value: object) -> str:
    given = mapping(place, value, ("mint",))
    return str(word(place.at("mint"), given.get("mint", "always"), ("always", "early", "principal")))


def _loops(place: Place, value: object) -> Loops:
    fewest = {"identical_calls": 2, "window": 2, "block_at": 2}
    given = {"identical_calls": 4, "window": 10, "block_at": 6} | mapping(place, value, fewest)
    loops = Loops(**{key: whole(place.at(key), given[key], least, _CALLS) for key, least in fewest.items()})
    if not loops.identical_calls <= loops.block_at <= loops.window:
        shown = f"{loops.identical_calls}, {loops.block_at}, {loops.window}"
        raise place.error(f"has identical_calls, block_at, window {shown}; allowed: none less than the one before it")
    return loops


def _sequence(place: Place, value: object) -> tuple[Sequence, ...]:
    return tuple(_step(at, item) for at, item in listed(place, value, "entries"))


def _step(place: Place, value: object) -> Sequence:
    given = mapping(place, value, ("after", "deny", "within", "reason"))
    return Sequence(
        _pattern(place.at("after"), given.get("after")),
        _pattern(place.at("deny"), given.get("deny")),
        seconds(place.at("within"), given.get("within"), _MONTH),
        text(place.at("reason"), given["reason"], 500) if "reason" in given else "",
    )


SECTIONS: Mapping[str, tuple[str, Read]] = {
    "enforcement": ("shadow", _is("shadow", "enforce")),
    "default": ("default", _either("allow", "deny")),
    "models": ("models", _models),
    "always_blocked": ("always_blocked", _patterns),
    "modes": ("modes", _modes),
    "allow": ("allow", _allow),
    "deny": ("deny", _patterns),
    "execution": ("execution", _either("plan_only", "execute_safe")),
    "schema": ("enforce_schema", _is("enforce", "record")),
    "strip_tools": ("strip_tools", flag),
    "new_tools": ("hold_new_tools", _is("hold", "allow")),
    "secrets": ("secrets", _either("allow", "redact", "deny")),
    "sizes": ("sizes", _sizes),
    "intents": ("mint", _intents),
    "immune": ("immune", read_immune),
    "tools": ("tools", read_tools),
    "loops": ("loops", _loops),
    "sequence": ("sequence", _sequence),
    "cases": ("cases", read_cases),
}
