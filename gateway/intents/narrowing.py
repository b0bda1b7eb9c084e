"""Handing on a part of an intent: a child permits nothing that its parent does not.

A step of the child has the id of the parent's step that it narrows, so that both are counted together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.intents.claims import DEEPEST, IntentClaims, Step
from gateway.intents.steps import equal

Tighter = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
"""Whether every value that passes the constraints of the first certainly passes those of the second."""


class NotNarrower(ValueError):
    """What was asked for is not certainly a part of the parent. `step` is its position among those wanted, if any."""

    def __init__(self, problem: str, step: int | None = None) -> None:
        super().__init__(problem)
        self.step = step


def narrow(parent: IntentClaims, wanted: Sequence[Step], tighter: Tighter) -> tuple[Step, ...]:
    """The steps of a child, each with the id of the step that it narrows.

    A step with the id of one of the parent's narrows that one; one without an id (an empty one) the first that it can.

    Raises NotNarrower.
    """
    found: dict[str, Step] = {}
    for position, step in enumerate(wanted):
        problems = []
        for one in parent.steps:
            if one.id in found or step.id not in ("", one.id):
                continue
            problem = _problem(step, one, tighter)
            if problem is None:
                found[one.id] = replace(step, id=one.id)
                break
            problems.append(problem)
        else:
            only = problems[0] if len(problems) == 1 else None
            raise NotNarrower(only or "narrows no step of the parent that is not narrowed already", position)
    if not found:
        raise NotNarrower("no steps are asked for")
    return tuple(found.values())


def delegate(
    parent: IntentClaims,
    steps: tuple[Step, ...],
    *,
    jti: str,
    agent_id: str,
    issued: float,
    expires: float,
    execution: str = "execute_safe",
    key_thumbprint: str | None = None,
) -> IntentClaims:
    """The child, once its steps are narrowed: for one agent more, for no longer, and no less careful than its parent.

    Raises NotNarrower where intents were handed on too often already.
    """
    if len(parent.parents) >= DEEPEST:
        raise NotNarrower(f"an intent is handed on at most {DEEPEST} times")
    return replace(
        parent,
        jti=jti,
        agent_id=agent_id,
        steps=steps,
        issued=issued,
        expires=min(expires, parent.expires),
        not_before=max(issued, parent.not_before),
        parents=(*parent.parents, parent.jti),
        execution="plan_only" if "plan_only" in (execution, parent.execution) else execution,
        act=(parent.agent_id, *parent.act),
        key_thumbprint=key_thumbprint,
    )


def _problem(child: Step, parent: Step, tighter: Tighter) -> str | None:
    if child.tool != parent.tool:
        return "is about another tool than the parent's step"
    if parent.server is not None and child.server != parent.server:
        return f"is not on the server {parent.server!r:.80}"
    if child.max_uses > parent.max_uses:
        return f"has max_uses {child.max_uses}; the parent's step has {parent.max_uses}"
    if not set(parent.after) <= set(child.after):
        return f"does not wait for {', '.join(parent.after)}"
    if parent.arguments is not None and (child.arguments is None or not equal(child.arguments, parent.arguments)):
        return "does not have the arguments of the parent's step"
    return None if parent.constraints is None else _loosened(child, parent.constraints, tighter)


def _loosened(child: Step, demanded: Mapping[str, Mapping[str, Any]], tighter: Tighter) -> str | None:
    given = dict(child.constraints or {})
    if child.arguments is not None:  # as if each were demanded exactly
        given = {name: {**given.get(name, {}), "const": one} for name, one in child.arguments.items()}
    elif child.constraints is None:
        return "has no constraints, and the parent's step has"
    for name, constraints in given.items():
        if name not in demanded:
            return f"allows the argument {name!r:.80}, which the parent's step does not"
        if not tighter(constraints, demanded[name]):
            return f"does not certainly keep to the parent's constraints of the argument {name!r:.80}"
    return None
