"""What agents write when they ask for an intent, and the steps that it means."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gateway.edge.admin.problems import invalid
from gateway.edge.admin.shapes import Body, Text
from gateway.intents.canonical import canonical
from gateway.intents.claims import LONGEST_INTENT, MOST_STEPS, Step
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.constraints import read_constraints
from gateway.policy.parsing.place import Place

DEFAULT_SECONDS = 900
_MOST_USES = 10_000

StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Tool = Annotated[str, StringConstraints(pattern=r"^[\w:./-]{1,200}$")]
Goal = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Seconds = Annotated[int, Field(ge=1, le=LONGEST_INTENT)]
Execution = Literal["execute_safe", "plan_only"]
Split = Callable[[str], tuple[str | None, str]]
"""The MCP server that a client's prefix names, and the tool's own name."""


class AskedStep(Body):
    """Calls to one tool. `arguments`: exactly these; `constraints`: by argument, in the words of policy documents, and
    then no other argument is allowed. `after`: steps before it, by id, by position from 0, or by the tool's name."""

    tool: Tool
    id: StepId | None = None
    server: Text | None = None
    arguments: dict[str, Any] | None = None
    constraints: dict[str, dict[str, Any]] | None = None
    max_uses: Annotated[int, Field(ge=1, le=_MOST_USES)] = 1
    after: Annotated[list[int | str], Field(max_length=MOST_STEPS)] = []


class NarrowedStep(Body):
    """A part of a step of the parent: what is left out stays as it is there. Without an `id` the first step that it is
    certainly a part of is meant; then `tool` is needed."""

    id: StepId | None = None
    tool: Tool | None = None
    server: Text | None = None
    arguments: dict[str, Any] | None = None
    constraints: dict[str, dict[str, Any]] | None = None
    max_uses: Annotated[int, Field(ge=1, le=_MOST_USES)] | None = None
    after: Annotated[list[StepId], Field(max_length=MOST_STEPS)] | None = None


class AskedPlan(Body):
    goal: Goal
    steps: Annotated[list[AskedStep], Field(min_length=1, max_length=MOST_STEPS)]
    ttl_seconds: Seconds = DEFAULT_SECONDS
    execution: Execution = "execute_safe"
    principal: Text | None = None


class AskedPart(Body):
    """`agent_id`: who gets it; the agent that asks, unless another is named. Without `steps`: all of the parent's."""

    agent_id: Text | None = None
    steps: Annotated[list[NarrowedStep], Field(min_length=1, max_length=MOST_STEPS)] | None = None
    goal: Goal | None = None
    ttl_seconds: Seconds = DEFAULT_SECONDS
    execution: Execution = "execute_safe"


def steps_of(asked: Sequence[AskedStep], split: Split) -> tuple[Step, ...]:
    """The steps, each with an id. Raises Problem 422."""
    ids = [step.id or f"s{position}" for position, step in enumerate(asked, 1)]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise invalid("body.steps", f"two steps have the id {twice}")
    tools = [_named(step.tool, step.server, split) for at, step in enumerate(asked)]
    made = []
    for at, step in enumerate(asked):
        where, (server, tool) = f"body.steps.{at}", tools[at]
        after = tuple(dict.fromkeys(_meant(f"{where}.after", one, ids, [t for _, t in tools]) for one in step.after))
        if ids[at] in after:
            raise invalid(f"{where}.after", "is the step itself")
        given = Step(ids[at], tool, server, step.arguments, step.constraints, step.max_uses, after)
        made.append(_checked(where, given))
    _check_order(made)
    return tuple(made)


def parts_of(asked: Sequence[NarrowedStep] | None, parent: Sequence[Step], split: Split) -> tuple[Step, ...]:
    """What is wanted of a parent's steps. Raises Problem 422."""
    if asked is None:
        return tuple(parent)
    known, made = {step.id: step for step in parent}, []
    for at, step in enumerate(asked):
        where = f"body.steps.{at}"
        if step.id is not None and step.id not in known:
            raise invalid(f"{where}.id", f"is no step of the parent; its steps are {', '.join(known)}")
        base = known[step.id] if step.id is not None else None
        if base is None and step.tool is None:
            raise invalid(f"{where}.tool", "is missing, and so is the id of a step of the parent")
        given: dict[str, Any] = step.model_dump(exclude_unset=True, exclude={"id", "tool", "server"})
        if "after" in given:
            given["after"] = tuple(given["after"] or ())
        if step.tool is not None:
            server, given["tool"] = _named(step.tool, step.server, split)
            if server is not None:
                given["server"] = server
        elif step.server is not None:
            given["server"] = step.server
        made.append(_checked(where, replace(base or Step("", ""), **_present(given))))
    return tuple(made)


def _present(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _named(tool: str, server: str | None, split: Split) -> tuple[str | None, str]:
    prefix, own = split(tool)
    return (prefix or server, own) if server in (None, prefix) else (server, tool)


def _meant(where: str, one: int | str, ids: Sequence[str], tools: Sequence[str]) -> str:
    if isinstance(one, int):
        if 0 <= one < len(ids):
            return ids[one]
        raise invalid(where, f"is {one}; allowed: positions from 0 to {len(ids) - 1}")
    if one in ids:
        return one
    if tools.count(one) == 1:
        return ids[tools.index(one)]
    raise invalid(where, f"is {one!r:.80}; allowed: {', '.join(ids)}, a position, or a tool that only one step has")


def _checked(where: str, step: Step) -> Step:
    """With what policies demand read as in a document. Raises Problem 422 for what no token can carry."""
    try:
        canonical([step.arguments, step.constraints])
    except ValueError as error:
        raise invalid(where, f"holds what has no exact form (RFC 8785): {' '.join(str(error).split())[:200]}") from None
    if step.constraints is None:
        return step
    read = {}
    for name, wanted in step.constraints.items():
        try:
            read[name] = read_constraints(Place("intent", f"{where}.constraints").at(name), wanted)
        except PolicyError as error:
            raise invalid(error.path, error.problem) from None
    return replace(step, constraints=read)


def _check_order(steps: Sequence[Step]) -> None:
    """Every step can come some time."""
    left, done = list(steps), set[str]()
    while left:
        ready = [step for step in left if done.issuperset(step.after)]
        if not ready:
            names = ", ".join(step.id for step in left)
            raise invalid("body.steps", f"{names} wait for each other: none of them could ever be used")
        done.update(step.id for step in ready)
        left = [step for step in left if step.id not in done]
