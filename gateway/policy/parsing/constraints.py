"""What a document may demand of an argument: a closed vocabulary."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.policy.parsing.place import Place, check_key, listed, mapping, number, text, whole, word
from gateway.policy.parsing.values import json_value, pattern

Read = Callable[[Place, Any], Any]

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
SOURCES = ("user", "model", "untrusted")
PERIODS = ("hour", "day", "month", "conversation")
_DEEPEST = 10
_LONGEST = 10**9
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9])?", re.IGNORECASE)
_BINARY = re.compile(r"(?:(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}){1,9}/)?[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_STEP_PATH = re.compile(r"\$(?:\.[^.*\[\]]{1,100}|\[(?:[0-9]{1,6}|\*|'[^']{1,100}')\])*")


def read_constraints(place: Place, value: object, deepest: int = _DEEPEST) -> Mapping[str, Any]:
    """The constraints of one argument, by name, as written. None written: the argument may be anything."""
    if deepest == 0:
        raise place.error(f"has more than {_DEEPEST} levels of `items` and `properties`")
    given = mapping(place, value)
    found = {}
    for key, wanted in given.items():
        check_key(place, key, (*_READERS, "items", "properties"))
        at = place.at(key)
        if key == "items":
            found[key] = read_constraints(at, wanted, deepest - 1)
        elif key == "properties":
            members = mapping(at, wanted)
            found[key] = {name: read_constraints(at.at(name), member, deepest - 1) for name, member in members.items()}
        else:
            found[key] = _READERS[key](at, wanted)
    _check_together(place, found)
    return found


def _check_together(place: Place, found: Mapping[str, Any]) -> None:
    for fewest, most in (("minimum", "maximum"), ("min_length", "max_length")):
        if fewest in found and most in found and found[fewest] > found[most]:
            raise place.at(fewest).error(f"is {found[fewest]}, more than `{most}`, which is {found[most]}")
    types = found.get("type", TYPES)
    types = (types,) if isinstance(types, str) else types
    for key, about in _ABOUT.items():
        if key in found and not set(about) & set(types):
            raise place.at(key).error(f"is about {' and '.join(about)}, and `type` is {', '.join(types)}")


def _enum(place: Place, value: object) -> list[Any]:
    return [json_value(at, item) for at, item in listed(place, value, "values", fewest=1)]


def _type(place: Place, value: object) -> str | list[str]:
    if isinstance(value, list):
        return [_type_name(at, item) for at, item in listed(place, value, "types", fewest=1)]
    return _type_name(place, value)


def _type_name(place: Place, value: object) -> str:
    return "null" if value is None else word(place, value, TYPES)


def _length(place: Place, value: object) -> int:
    return whole(place, value, 0, _LONGEST)


def _paths(place: Place, value: object) -> list[str]:
    return [_path(at, item) for at, item in listed(place, value, "paths", fewest=1)]


def _path(place: Place, value: object) -> str:
    path = text(place, value, 1000)
    if not path.isprintable() or "\\" in path:
        raise place.wrong(path, "a path without control characters and backslashes")
    *above, last = path.removeprefix("./").removeprefix("/").split("/")
    plain = path in ("/", ".") or (last not in (".", "..") and (last or above) and "" not in above)
    if not plain or {".", ".."} & set(above) or any(segment[:1] in ("~", "$") for segment in (*above, last)):
        raise place.wrong(path, "a path without `.`, `..` and `~`, such as /srv/data/**, or ./** where commands run")
    return path


def _hosts(place: Place, value: object) -> list[str]:
    return [_host(at, item) for at, item in listed(place, value, "hosts", fewest=1)]


def _host(place: Place, value: object) -> str:
    host = text(place, value, 255)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if _HOST.fullmatch(host) is None or ".." in host:
            raise place.wrong(host, "a host such as api.example.com, *.example.com or 192.0.2.1") from None
    return host


def _command(place: Place, value: object) -> dict[str, Any]:
    given = mapping(place, value, ("allow", "paths"))
    at = place.at("allow")
    allow = [_binary(item_at, item) for item_at, item in listed(at, given.get("allow"), "names of programs", fewest=1)]
    return {"allow": allow} | ({"paths": _paths(place.at("paths"), given["paths"])} if "paths" in given else {})


def _binary(place: Place, value: object) -> str:
    name = text(place, value)
    if _BINARY.fullmatch(name) is None:
        raise place.wrong(name, "the name of a program such as grep, or its absolute path")
    return name


def _provenance(place: Place, value: object) -> list[str]:
    return [_source(at, item) for at, item in listed(place, value, "sources", fewest=1)]


def _source(place: Place, value: object) -> str:
    if isinstance(value, str) and value.startswith("tool:"):
        return "tool:" + text(place, value.removeprefix("tool:"))
    if value not in SOURCES:
        raise place.wrong(value, f"{', '.join(SOURCES)} or tool:NAME")
    return str(value)


def _from_step(place: Place, value: object) -> dict[str, str]:
    given = mapping(place, value, ("tool", "path"))
    path = text(place.at("path"), given.get("path"))
    if _STEP_PATH.fullmatch(path) is None:
        raise place.at("path").wrong(path, "a path such as $.iban or $.items[0].id")
    return {"tool": text(place.at("tool"), given.get("tool")), "path": path}


def _sum_max(place: Place, value: object) -> dict[str, Any]:
    given = mapping(place, value, ("value", "per"))
    most = number(place.at("value"), given.get("value"), fewest=0)
    return {"value": most, "per": word(place.at("per"), given.get("per"), PERIODS)}


_READERS: Mapping[str, Read] = {
    "const": json_value,
    "enum": _enum,
    "type": _type,
    "minimum": number,
    "maximum": number,
    "min_length": _length,
    "max_length": _length,
    "pattern": pattern,
    "not_pattern": pattern,
    "path_in": _paths,
    "host_in": _hosts,
    "command": _command,
    "provenance": _provenance,
    "from_step": _from_step,
    "sum_max": _sum_max,
}

_NUMBERS, _TEXTS = ("number", "integer"), ("string", "array")
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "sum_max": _NUMBERS,
    "min_length": _TEXTS,
    "max_length": _TEXTS,
    "pattern": ("string",),
    "path_in": _TEXTS,
    "host_in": _TEXTS,
    "command": _TEXTS,
    "items": ("array",),
    "properties": ("object",),
}
