"""What is no error in a document and yet seldom meant."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.policy.actions import fits
from gateway.policy.clauses import ActionPattern, Clauses
from gateway.policy.commands.forbidden import FORBIDDEN
from gateway.policy.document import Match

_ID = "agt_"


def advice(clauses: Clauses, match: Match) -> Iterator[tuple[str, str]]:
    """Place and text of each."""
    for position, pattern in enumerate(match.agents):
        if pattern.casefold().startswith(_ID) and set(pattern[len(_ID) :]) != {"*"}:
            yield (
                f"match.agents[{position}]",
                "an agent without a key of the gateway can become another one, by another X-Agent-Id say; what it has"
                " to obey belongs in a document without match.agents",
            )
    yield from _lost_allowances(clauses)
    yield from _without_effect(clauses)
    for tool in clauses.tools:
        at = f"tools.{tool.name}"
        if tool.arguments is None and tool.effect in ("write", "destructive"):
            yield f"{at}.arguments", "is missing: any arguments are allowed"
        for argument, wanted in (tool.arguments or {}).items():
            yield from _commands(f"{at}.arguments.{argument}", wanted)
    rules = clauses.tools or clauses.allow or clauses.deny or clauses.modes or clauses.always_blocked
    if rules and not clauses.cases:
        yield "cases", "is missing: examples of what is allowed and denied show that the rules say what they should"


def _without_effect(clauses: Clauses) -> Iterator[tuple[str, str]]:
    """What is read and has no effect here."""
    if clauses.shadow:
        for section in ("immune", "loops"):
            if getattr(clauses, section):
                yield section, "watches nobody while the document is in shadow"


def _lost_allowances(clauses: Clauses) -> Iterator[tuple[str, str]]:
    """What is allowed at one place and always denied at another."""
    denials = [(f"always_blocked[{position}]", pattern) for position, pattern in enumerate(clauses.always_blocked)]
    denials += [(f"deny[{position}]", pattern) for position, pattern in enumerate(clauses.deny)]
    allowed = [(f"allow[{position}]", pattern) for position, pattern in enumerate(clauses.allow)]
    for mode in clauses.modes:
        allowed += [(f"modes.{mode.name}.allow[{position}]", pattern) for position, pattern in enumerate(mode.allow)]
    for at, pattern in allowed:
        for by, denial in denials:
            if _covers(denial, pattern):
                yield at, f"{pattern.text} is never allowed: {by} denies it"


def _covers(wide: ActionPattern, narrow: ActionPattern) -> bool:
    """Whether everything that fits the one fits the other: a pattern is taken as if its stars were letters."""
    action = f"{narrow.verb}:{narrow.noun}" if narrow.noun else narrow.verb
    return wide.resource in ("*", narrow.resource) and fits(wide, action, narrow.resource, narrow.server)


def _commands(at: str, wanted: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    command = wanted.get("command")
    if command is None:
        return
    if "paths" not in command:
        yield f"{at}.command.paths", "is missing: commands may name any path"
    for position, name in enumerate(command["allow"]):
        if name in FORBIDDEN:
            yield f"{at}.command.allow[{position}]", f"{name} is never allowed: it {FORBIDDEN[name]}"
