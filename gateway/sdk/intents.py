"""The calls about intents. Does no I/O, as `calls`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from gateway.sdk.calls import AGENTS, Ask, Call
from gateway.sdk.errors import ApprovalRequired
from gateway.sdk.shapes import CallToken, Intent, step_decisions

Execution = Literal["execute_safe", "plan_only"]
Steps = Sequence[Mapping[str, Any]]

_INTENTS = f"{AGENTS}/intents"


def plan(
    goal: str,
    steps: Steps,
    ttl_seconds: int | None,
    execution: Execution | None,
    principal: str | None,
    session: str | None,
) -> Call[Intent]:
    asked = {"goal": goal, "steps": _plain(steps), "principal": principal}
    return (yield from _minted(_INTENTS, asked, ttl_seconds, execution, session))


def get(intent_id: str) -> Call[dict[str, Any]]:
    found: dict[str, Any] = yield Ask("GET", _path(intent_id), "agent")
    return found


def delegate(
    intent_id: str,
    agent_id: str | None,
    steps: Steps | None,
    goal: str | None,
    ttl_seconds: int | None,
    execution: Execution | None,
    session: str | None,
) -> Call[Intent]:
    asked = {"agent_id": agent_id, "steps": None if steps is None else _plain(steps), "goal": goal}
    return (yield from _minted(f"{_path(intent_id)}/delegate", asked, ttl_seconds, execution, session))


def revoke(intent_id: str) -> Call[list[str]]:
    answer = yield Ask("DELETE", _path(intent_id), "agent")
    return list(answer.get("pending", ()))


def introspect(token: str) -> Call[dict[str, Any]]:
    said: dict[str, Any] = yield Ask("POST", f"{_INTENTS}/introspect", "agent", {"token": token})
    return said


def call_token(tool_call_id: str) -> Call[CallToken]:
    found = yield Ask("GET", f"{AGENTS}/calls/{quote(tool_call_id, safe='')}", "agent")
    members = ("tool_call_id", "token", "tool", "audience", "decision_id", "expires_at", "intent_id")
    return CallToken(*[found[member] for member in members])


def _minted(
    path: str, asked: dict[str, Any], ttl_seconds: int | None, execution: Execution | None, session: str | None
) -> Call[Intent]:
    asked |= {"ttl_seconds": ttl_seconds, "execution": execution}
    body = {member: value for member, value in asked.items() if value is not None}
    made = yield Ask("POST", path, "agent", body, session=session)
    decisions = step_decisions(made["decisions"])
    if "token" in made:
        return Intent(made["intent_id"], made["token"], made["expires_at"], decisions)
    waiting = next((one for one in decisions.values() if not one.allowed), None)
    if waiting is None:
        error = ApprovalRequired("intent", None, "a person has to approve the plan")
    else:
        error = ApprovalRequired(waiting.tool, None, waiting.reason)
        error.rule, error.decision_id = waiting.rule, waiting.decision_id
    error.approval_id = made["approval_id"]
    raise error


def _path(intent_id: str) -> str:
    return f"{_INTENTS}/{quote(intent_id, safe='')}"


def _plain(steps: Steps) -> list[dict[str, Any]]:
    return [dict(step) for step in steps]
