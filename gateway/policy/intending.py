"""Whether a call fits the intent that its agent presents: one that was declared binds whoever shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.policy.actions import normal
from gateway.policy.clauses import OnDeny
from gateway.policy.constraints.compiling import READ_CONVERSATION, compiled, constraints_in, counts_in
from gateway.policy.constraints.scope import Scope, Where
from gateway.policy.names import Names
from gateway.policy.question import Intent, Question
from gateway.policy.rules.call import Call
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.verdict import Count, Grant, Verdict

RULE = "intent"
"""The rule that denies what does not fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The step that a call uses, and what is counted then; or (`step` None) why it fits none."""

    step: str | None
    problem: str = ""
    counts: tuple[Count, ...] = ()


def is_bound(call: Call) -> bool:
    """Whether the intent has a say: it has, unless a document says that none counts for the tool and none needs one."""
    if call.facts.intent is None or call.facts.declaring:
        return False
    said = {entry.tool.intent for entries in call.entries.values() for entry in entries}
    return "required" in said or "off" not in said


def fit(call: Call, names: Names) -> Fit:
    """Raises nothing: what cannot be checked does not fit."""
    intent, question = call.facts.intent, call.question
    assert intent is not None
    counted: dict[str, tuple[Count, ...]] = {}

    def holds(step: str, constraints: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]) -> bool:
        if question.resource and question.resource not in arguments.values():
            return False  # what is asked about is nothing that the constraints look at
        scope = Scope(call.facts, names, untrusted=call.untrusted)
        for name, value in arguments.items():
            check = compiled(constraints[name], _where(intent.root, step, name, names))
            if check(value, scope) is not None:
                return False
        counted[step] = tuple(scope.counts)
        return True

    tool, arguments = _tool(question, intent, names), question.arguments
    step, problem = intent.fit(tool, call.server, arguments, holds)
    return Fit(step, problem, counted.get(step or "", ()))


def demanded(
    root: str, steps: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]], names: Names
) -> tuple[tuple[Count, ...], bool]:
    """What the constraints of an intent's steps have counted, and whether they look at the conversation."""
    counts, reads = list[Count](), False
    for step, constraints in steps:
        for name, wanted in constraints.items():
            where = _where(root, step, name, names)
            counts += counts_in(wanted, where)
            found = constraints_in(wanted, where, Where.inside)
            reads = reads or any(kind in READ_CONVERSATION for kind, _, _ in found)
    return tuple(counts), reads


def _where(root: str, step: str, argument: str, names: Names) -> Where:
    return Where(f"intent/{root}", step, argument, names)


def _tool(question: Question, intent: Intent, names: Names) -> str:
    """The tool's own name. Where only an action was stated, the tool of the intent that is called so."""
    if question.tool:
        return names.own(question.tool, question.server)
    action = normal(question.action or "")
    return next((tool for tool in intent.tools if normal(tool) == action), question.action or "")


def held_to(told: Verdict, found: Fit, *, shadow: bool) -> Verdict:
    """The verdict on a call once it was held to the intent. `shadow`: what does not fit is only told."""
    if found.step is not None:
        return replace(told, step=found.step, counts=(*told.counts, *found.counts))
    if shadow:
        return replace(told, shadowed=(*told.shadowed, (RULE, found.problem)))
    return replace(
        told,
        allowed=False,
        rule=RULE,
        reason=found.problem,
        policy=None,
        on_deny=OnDeny(),
        approval=False,
        counts=(),
    )


def grant_of(rules: Iterable[Ruleset], call: Call) -> Grant | None:
    """What the documents say of a grant: that it is needed, else that it is looked for."""
    found = None
    for one in rules:
        for entry in call.entries.get(one.name, ()):
            need = entry.tool.grant
            if need == "required":
                return Grant(f"{one.name}/{entry.rule}/grant", required=True)
            if need == "optional":
                found = found or Grant(f"{one.name}/{entry.rule}/grant", required=False)
    return found
