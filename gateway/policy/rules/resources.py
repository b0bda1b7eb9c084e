"""A resource must be one thing: with a dot segment, or with a hole in its template, a pattern says nothing about it."""

import re

from gateway.policy.look_alikes import is_overcoded
from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset

_DOTS = re.compile(r"(?:^|[/\\])(?:[.\uff0e]|%2e){1,2}(?:[/\\;]|$)", re.IGNORECASE)
_AGAIN = re.compile("%(?:25)+")
_SEPARATORS = re.compile("%(?:2f|5c)", re.IGNORECASE)
"""Between ends of the text or separators, each of which is one character: linear."""


def guard(rules: Ruleset) -> Check | None:
    """None where the document has nothing to say of actions."""
    clauses, document = rules.clauses, rules.name

    def check(call: Call) -> Found | None:
        if document in call.unnamed:
            return Found(call.unnamed[document], "the argument that names its resource is missing")
        if document in call.posing:
            return Found(call.posing[document], "its name only looks like that of this tool")
        for _, resource in call.targets_of(document):
            if resource and has_dot_segment(resource):
                return Found("resource", "its resource has a dot segment")
        for _, resource in call.plain.values():
            if is_overcoded(resource):
                return Found("resource", "its resource is encoded again and again")
        return None

    speaks = clauses.always_blocked or clauses.allow or clauses.deny or clauses.modes or clauses.tools
    return check if speaks else None


def has_dot_segment(resource: str) -> bool:
    """Whether a `.` or `..`, percent-encoded however often or not, stands between separators."""
    if "%" in resource:
        resource = _SEPARATORS.sub("/", _AGAIN.sub("%", resource))
    elif "." not in resource and resource.isascii():
        return False
    return _DOTS.search(resource) is not None
