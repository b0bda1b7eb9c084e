"""What a document says of single tools."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.policy.actions import normal, read_pattern
from gateway.policy.clauses import ActionPattern, Approval, OnDeny, Tool
from gateway.policy.parsing.constraints import read_constraints
from gateway.policy.parsing.place import Place, closest, flag, mapping, number, seconds, text, word

_MEMBERS = (
    "action", "resource", "effect", "arguments", "intent", "grant", "approval", "on_deny", "trust", "polling",
)  # fmt: skip
_NEEDS = ("off", "optional", "required")
_HOLD_SECONDS = 120
_MOST_HOLD = 3600
_LONGEST_TEMPLATE = 500
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def read_tools(place: Place, value: object) -> tuple[Tool, ...]:
    """Every tool by its own key; two keys that are one tool are refused."""
    found: dict[tuple[str | None, str, str], Tool] = {}
    given = mapping(place, value)
    if not given:
        raise place.wrong(value, "a mapping of at least one tool")
    for name, members in given.items():
        tool = _tool(place.at(name), name, members)
        form = (tool.key.server, tool.key.verb, tool.key.noun)
        if form in found:
            raise place.at(name).error(f"is the same tool as {found[form].name!r}")
        found[form] = tool
    return tuple(found.values())


def _tool(place: Place, name: str, value: object) -> Tool:
    given = mapping(place, value, _MEMBERS)
    arguments = _arguments(place.at("arguments"), given["arguments"]) if "arguments" in given else None
    return Tool(
        name,
        _key(place, name),
        action=_action(place.at("action"), given["action"]) if "action" in given else None,
        resource=_resource(place.at("resource"), given["resource"], arguments) if "resource" in given else None,
        effect=word(place.at("effect"), given["effect"], ("read", "write", "destructive"))
        if "effect" in given
        else None,
        arguments=arguments,
        intent=word(place.at("intent"), given["intent"], _NEEDS) if "intent" in given else None,
        grant=word(place.at("grant"), given["grant"], _NEEDS) if "grant" in given else None,
        approval=_approval(place.at("approval"), given["approval"], arguments) if "approval" in given else None,
        on_deny=_on_deny(place.at("on_deny"), given.get("on_deny", "refuse")),
        untrusted=word(place.at("trust"), given.get("trust", "trusted"), ("trusted", "untrusted")) == "untrusted",
        polling=flag(place.at("polling"), given.get("polling", False)),
    )


def _key(place: Place, name: str) -> ActionPattern:
    try:
        key = read_pattern(name, place.servers or ())
    except ValueError as error:
        raise place.error(str(error)) from None
    if "*" in key.verb + key.noun:
        raise place.error("is a pattern; allowed: the name of one tool (`allow` and `deny` take patterns)")
    return key


def _action(place: Place, value: object) -> str:
    try:
        written = read_pattern(text(place, value)).text
    except ValueError as error:
        raise error if hasattr(error, "problem") else place.error(str(error)) from None
    if "*" in written:
        raise place.wrong(written, "one action such as restart:service, without `*`")
    return normal(written)


def _arguments(place: Place, value: object) -> Mapping[str, Mapping[str, Any]]:
    if value is None:  # an empty mapping allows no argument: whether that is meant has to be written
        raise place.wrong(value, "a mapping; `{}` where the tool has no arguments")
    return {name: read_constraints(place.at(name), wanted) for name, wanted in mapping(place, value).items()}


def _resource(place: Place, value: object, arguments: Mapping[str, Any] | None) -> str:
    template = text(place, value, _LONGEST_TEMPLATE)
    if "{" in _PLACEHOLDER.sub("", template) or "}" in _PLACEHOLDER.sub("", template):
        raise place.wrong(template, "text with arguments in braces, such as s3://{bucket}/{key}")
    for argument in _PLACEHOLDER.findall(template):
        _check_argument(place, argument, arguments)
    return template


def _check_argument(place: Place, argument: str, arguments: Mapping[str, Any] | None) -> None:
    if not argument:
        raise place.error("names no argument in its braces")
    if arguments is not None and argument not in arguments:
        close = closest(argument, arguments)
        hint = f"did you mean {close}?" if close else f"allowed: {', '.join(arguments) or 'none, it has no arguments'}"
        raise place.error(f"names the argument {argument!r:.80}, which `arguments` does not have; {hint}")


def _approval(place: Place, value: object, arguments: Mapping[str, Any] | None) -> Approval:
    if not isinstance(value, dict):
        return Approval(word(place, value, ("always", "off")))
    at = place.at("above")
    given = mapping(at, mapping(place, value, ("above",)).get("above"), ("argument", "value"))
    argument = text(at.at("argument"), given.get("argument"))
    _check_argument(at.at("argument"), argument, arguments)
    return Approval("above", argument, number(at.at("value"), given.get("value")))


def _on_deny(place: Place, value: object) -> OnDeny:
    if not isinstance(value, dict):
        return OnDeny(word(place, value, ("refuse", "error")))
    at = place.at("hold")
    given = mapping(place, value, ("hold",))
    if "hold" not in given:
        raise place.wrong(value, "refuse, error or {hold: {wait_seconds: 120}}")
    wait = mapping(at, given["hold"], ("wait_seconds",)).get("wait_seconds", _HOLD_SECONDS)
    return OnDeny("hold", seconds(at.at("wait_seconds"), wait, _MOST_HOLD))
