"""The examples that a document's author wrote down."""

from collections.abc import Mapping
from typing import Any

from gateway.policy.clauses import Case
from gateway.policy.parsing.place import Place, listed, mapping, text, word
from gateway.policy.parsing.values import json_value

_MEMBERS = ("tool", "server", "action", "resource", "arguments", "said")
_SPEAKERS = ("user", "model", "tool", "text")
_LONGEST_TEXT = 100_000


def read_cases(place: Place, value: object) -> tuple[Case, ...]:
    """`{call: {tool | action, …}, expect: …, mode?}`; `said` is the conversation before the call."""
    return tuple(_case(at, item) for at, item in listed(place, value, "cases"))


def _case(place: Place, value: object) -> Case:
    given = mapping(place, value, ("call", "expect", "mode"))
    expect = word(place.at("expect"), given.get("expect"), ("allow", "deny", "approval"))
    mode = text(place.at("mode"), given["mode"]) if "mode" in given else None
    return Case(_call(place.at("call"), given.get("call")), expect, mode)


def _call(place: Place, value: object) -> Mapping[str, Any]:
    given = mapping(place, value, _MEMBERS)
    if "tool" not in given and "action" not in given:
        raise place.error("names neither `tool` nor `action`")
    found: dict[str, Any] = {
        key: text(place.at(key), given[key], 1000) for key in ("tool", "server", "action", "resource") if key in given
    }
    if "arguments" in given:
        found["arguments"] = json_value(place.at("arguments"), given["arguments"])
    if "said" in given:
        found["said"] = [_said(at, item) for at, item in listed(place.at("said"), given["said"], "texts")]
    return found


def _said(place: Place, value: object) -> Mapping[str, str]:
    """`{user: text}`, `{model: text}` or `{tool: name, text: what it gave}`."""
    given = mapping(place, value, _SPEAKERS)
    if set(given) not in ({"user"}, {"model"}, {"tool", "text"}):
        raise place.wrong(value, "{user: TEXT}, {model: TEXT} or {tool: NAME, text: TEXT}")
    return {key: text(place.at(key), said, _LONGEST_TEXT) for key, said in given.items()}
