"""From a question to a call as the guards see it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.policy.actions import normal
from gateway.policy.look_alikes import plain_resource
from gateway.policy.names import Names
from gateway.policy.question import Facts, Question
from gateway.policy.rules.call import Call
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.patterns import Target
from gateway.policy.rules.ruleset import Ruleset


def prepare(
    documents: Sequence[Ruleset], question: Question, facts: Facts, names: Names, untrusted: Collection[str] = ()
) -> Call:
    """What the question is in the eyes of each document: of the tool if it names one, else of the action.

    A document that maps the tool to an action or a resource sees that and nothing else. One that does not sees the
    tool's own name, and what the others map it to: nobody can rename a tool out of another document's rules. All of
    them also see it in its plain form, as a lenient reader would.
    """
    server, name = names.of(question.tool, question.server)
    about_action = question.action is not None and not question.tool
    if about_action:
        name = normal(question.action or "")
    own: Target = (name, question.resource or "")
    asked = (question.action if about_action else question.tool) or ""
    plain_name = name if asked.isascii() else names.plain(asked, question.server)
    plain: dict[Target, Target] = {}

    def readings(target: Target) -> tuple[Target, ...]:
        action, resource = target
        form = plain[target] = (plain_name if action == name else action, plain_resource(resource))
        return (target,) if form == target else (target, form)

    arguments = arguments_of(question)
    entries: dict[str, Sequence[Entry]] = {}
    mapped: dict[str, tuple[Target, ...]] = {}
    unnamed: dict[str, str] = {}
    posing: dict[str, str] = {}
    for rules in documents:
        if not rules.entries.all:
            continue
        found = rules.entries.of(name, server, is_action=about_action)
        if found:
            entries[rules.name] = found
            target = _mapped(found, own, question, arguments)
            if isinstance(target, str):
                unnamed[rules.name] = target
            elif target is not None:
                mapped[rules.name] = readings(target)
        elif plain_name != name and (alike := rules.entries.of(plain_name, server, is_action=about_action)):
            posing[rules.name] = alike[0].rule
    others = readings(own)
    if mapped:
        others = tuple(dict.fromkeys((*others, *(target for targets in mapped.values() for target in targets))))
    if all(target == form for target, form in plain.items()):
        plain.clear()
    return Call(question, facts, own[0], server, others, entries, mapped, unnamed, arguments, untrusted, plain, posing)


def _mapped(
    entries: Sequence[Entry], own: Target, question: Question, arguments: Mapping[str, Any] | None
) -> Target | str | None:
    """What the entries map the call to; the rule at fault where its resource cannot be told; None: to nothing."""
    entry = next((entry for entry in entries if entry.maps), None)
    if entry is None:
        return None
    # Whoever names the tool has its arguments judged; a resource that is stated beside them may be another one.
    by_arguments = question.resource is None or (question.tool and entry.tool.resource is not None)
    resource = entry.resource(arguments) if by_arguments else question.resource
    if resource is None:
        return f"{entry.rule}/resource"
    return entry.action or own[0], resource


_ENVELOPE = frozenset({"type", "id", "call_id", "status", "name", "namespace"})


def arguments_of(question: Question) -> Mapping[str, Any] | None:
    """The arguments by name; the text of a custom tool is its `input`. None where there are none to be named."""
    given = question.arguments
    if question.kind == "custom":
        return {"input": given}
    if not isinstance(given, dict):
        return None
    if question.kind in ("function", "mcp"):
        return given
    return {name: value for name, value in given.items() if name not in _ENVELOPE}
