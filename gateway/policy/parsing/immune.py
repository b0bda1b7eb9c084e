"""`immune`: how an agent is watched. Read here, carried out elsewhere: the members are those of its settings."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.policy.parsing.place import Place, check_key, flag, mapping, number, seconds, whole, word

SCORED = ("latency", "ttft", "output", "input_first", "input_growth", "cost", "tools")
"""Metrics with thresholds; the others can only be turned off."""

COUNTED = ("tokens", "errors", "provider_errors", "tool_errors", "retries", "denials", "prompt", "toolset", "model")

_REMEMBERED_CALLS = 32
"""Of an agent's latest calls so many are remembered; nothing can wait for more."""

_DAYS = 30 * 86_400
_CONFIRM, _CONFIRM_OF = 3, 5


def read_immune(place: Place, value: object) -> Mapping[str, Any]:
    """What is written, member by member; what is not has no say. Raises PolicyError."""
    given = mapping(place, value, _MEMBERS)
    found = {key: _MEMBERS[key](place.at(key), setting) for key, setting in given.items()}
    if "confirm" in found or "confirm_of" in found:  # one is worth nothing without the other: they stay together
        confirm, of = found.get("confirm", _CONFIRM), found.get("confirm_of", _CONFIRM_OF)
        if confirm > of:
            raise place.error(f"has confirm, confirm_of {confirm}, {of}; allowed: confirm at most confirm_of")
        found |= {"confirm": confirm, "confirm_of": of}
    return found


def _metrics(place: Place, value: object) -> Mapping[str, Mapping[str, Any]]:
    given = mapping(place, value)
    for name in given:
        check_key(place, name, (*SCORED, *COUNTED))
    return {name: _metric(place.at(name), name, members) for name, members in given.items()}


def _metric(place: Place, name: str, value: object) -> Mapping[str, Any]:
    given = mapping(place, value)
    for key in given:
        if name in COUNTED and key in ("z", "cusum"):
            raise place.at(key).error(f"is not known: {name} is counted, not scored; allowed: enabled")
        check_key(place, key, _METRIC)
    return {key: _METRIC[key](place.at(key), setting) for key, setting in given.items()}


def _fleet(place: Place, value: object) -> Mapping[str, Any]:
    given = mapping(place, value, _FLEET)
    return {key: _FLEET[key](place.at(key), setting) for key, setting in given.items()}


def _word(*allowed: str) -> Callable[[Place, Any], Any]:
    return lambda place, value: word(place, value, allowed)


def _number(fewest: float, most: float) -> Callable[[Place, Any], Any]:
    return lambda place, value: number(place, value, fewest, most)


def _whole(fewest: int, most: int) -> Callable[[Place, Any], Any]:
    return lambda place, value: whole(place, value, fewest, most)


def _span(most: int) -> Callable[[Place, Any], Any]:
    return lambda place, value: seconds(place, value, most)


_MEMBERS: Mapping[str, Callable[[Place, Any], Any]] = {
    "mode": _word("shadow", "warn", "enforce"),
    "sigma_action": _word("throttle", "approve", "quarantine"),
    "approve_above": _number(0, 1000),
    "drain_seconds": _number(0, 3600),
    "confirm": _whole(1, _REMEMBERED_CALLS - 1),
    "confirm_of": _whole(1, _REMEMBERED_CALLS - 1),
    "second_metric_from": _whole(0, 100_000),
    "sigma_share": _number(0, 1),
    "quiet_calls": _whole(1, _REMEMBERED_CALLS),
    "quiet_seconds": _span(_DAYS),
    "probation_calls": _whole(1, _REMEMBERED_CALLS),
    "latency_quarantines": flag,
    "fleet_caps_cut": flag,
    "metrics": _metrics,
    "fleet": _fleet,
}

_METRIC: Mapping[str, Callable[[Place, Any], Any]] = {
    "enabled": flag,
    "z": _number(0.1, 100),
    "cusum": _number(0.1, 100),
}

_FLEET: Mapping[str, Callable[[Place, Any], Any]] = {
    "window_seconds": _number(5, 3600),
    "alarm_rate": _number(0.0001, 0.5),
}
