"""What is sent for each call, how its answer is read, and what is tried again. Does no I/O: `steps` is a
generator that yields what to do and is sent what came of it.
"""

import json
import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from gateway.sdk.errors import (
    INTENT_WORDS,
    AuthenticationError,
    GatewayError,
    GatewayUnavailable,
    IntentDenied,
    IntentError,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
)
from gateway.sdk.shapes import CreatedAgent, Decision, denied_intent

_ADMIN = "/api/gateway"
AGENTS = "/api/v1"
_PAGE = 1000
_REPEATABLE = ("GET", "PUT", "DELETE")
_PASSING = (502, 503, 504)
_LONGEST_WAIT = 5.0  # seconds; who asks for more is told to the caller instead


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to be sent. `key`: which of the client's keys goes with it; `session` names the conversation."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    key: Literal["agent", "admin"]
    json: Any = None
    params: Mapping[str, str] | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after` as the header has it."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """There is no answer. `sent` says whether the request may have been received."""

    reason: str
    sent: bool


T = TypeVar("T")
Call = Generator[Ask, Any, T]
"""Is sent the JSON of each answer."""
Steps = Generator[Ask | Pause, Answer | Failure | None, T]
Rule = str | Mapping[str, Any]
Time = str | datetime


def create_agent(name: str, owner_team: str | None, environment: str | None, *, as_admin: bool) -> Call[CreatedAgent]:
    """With the admin key an agent is made and then given a key; else it is registered with the ingest key."""
    body = {"name": name, "owner_team": owner_team, "environment": environment}
    given = {member: value for member, value in body.items() if value is not None}
    if not as_admin:
        made = yield Ask("POST", f"{AGENTS}/agents/register", "agent", given)
        return CreatedAgent(made["agent_id"], made["api_key"])
    made = yield Ask("POST", f"{_ADMIN}/agents", "admin", given)
    agent_id: str = made["agent_id"]
    path = f"{_ADMIN}/agents/{quote(agent_id, safe='')}/keys"
    key = yield Ask("POST", path, "admin")
    return CreatedAgent(agent_id, key["api_key"])


def set_policy(agent_id: str, allow: Sequence[Rule], deny: Sequence[Rule]) -> Call[dict[str, Any]]:
    body = {"allow": [_rule(rule) for rule in allow], "deny": [_rule(rule) for rule in deny]}
    path = f"{_ADMIN}/agents/{quote(agent_id, safe='')}/policy"
    kept: dict[str, Any] = yield Ask("PUT", path, "admin", body)
    return kept


def enforce(
    action: str,
    resource: str,
    context: Mapping[str, Any] | None,
    tool: str | None,
    arguments: Any,
    intent_token: str | None,
    session: str | None,
) -> Call[Decision]:
    asked: dict[str, Any] = {"action": action, "resource": resource}
    more = {"context": context, "tool": tool, "arguments": arguments, "intent_token": intent_token}
    asked |= {member: value for member, value in more.items() if value is not None}
    said = yield Ask("POST", f"{AGENTS}/enforce", "agent", asked, session=session)
    return Decision(
        tool or action,
        said["allowed"] is True,
        said["reason"],
        said["rule"],
        said["decision_id"],
        said.get("mode"),
        said.get("approval_id"),
    )


def log_action(
    action: str,
    resource: str,
    allowed: bool,
    result: str,
    context: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
) -> Call[str]:
    body: dict[str, Any] = {"action": action, "resource": resource, "allowed": allowed, "result": result}
    body |= {"context": context or {}, "metadata": metadata or {}}
    kept = yield Ask("POST", f"{AGENTS}/logs", "agent", body)
    entry: str = kept["entry"]
    return entry


def logs(
    agent_id: str | None,
    action: str | None,
    allowed: bool | None,
    start_time: Time | None,
    end_time: Time | None,
    limit: int,
) -> Call[list[dict[str, Any]]]:
    """What any agent did as the audit record has it (`agent_id`, with the admin key), else what this one reported."""
    given = {"agent_id": agent_id, "action": action, "allowed": None if allowed is None else str(allowed).lower()}
    given |= {"start_time": _time(start_time), "end_time": _time(end_time)}
    params = {name: value for name, value in given.items() if value is not None}
    path, found = f"{AGENTS}/logs" if agent_id is None else f"{_ADMIN}/audit", list[dict[str, Any]]()
    while len(found) < limit:
        params["limit"] = str(min(_PAGE, limit - len(found)))
        page = yield Ask("GET", path, "agent" if agent_id is None else "admin", params=params)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        params = {**params, "cursor": page["next_cursor"]}
    return found


def _rule(rule: Rule) -> Rule:
    return rule if isinstance(rule, str) else dict(rule)


def _time(time: Time | None) -> str | None:
    """RFC 3339; a datetime without a zone is local time."""
    return time.astimezone().isoformat() if isinstance(time, datetime) else time


def steps(call: Call[T], retries: int) -> Steps[T]:
    """What to do for a call, in turn. Raises GatewayError; IntentDenied, ApprovalRequired for a plan."""
    came: Any = None
    while True:
        try:
            ask = call.send(came)
        except StopIteration as done:
            result: T = done.value
            return result
        came = yield from _asked(ask, retries)


def _asked(ask: Ask, retries: int) -> Steps[Any]:
    """The answer's JSON. Raises GatewayError."""
    for attempt in range(retries + 1):
        came = yield ask
        assert came is not None
        wait = _wait(ask, came, attempt)
        if wait is None or attempt == retries:
            return _read(came)
        yield Pause(wait)
    raise AssertionError


def _wait(ask: Ask, came: Answer | Failure, attempt: int) -> float | None:
    """Seconds until the request may be repeated without doing anything twice; None: never."""
    backoff = random.uniform(0.5, 1.0) * 0.2 * 2**attempt
    if isinstance(came, Failure):
        return backoff if not came.sent or ask.method in _REPEATABLE else None
    told = _seconds(came.retry_after)
    if came.status == 429:  # refused before anything was done
        return told if told is not None and told <= _LONGEST_WAIT else None
    if came.status in _PASSING and ask.method in _REPEATABLE:
        return min(_LONGEST_WAIT, told if told is not None else backoff)
    return None


def _read(came: Answer | Failure) -> Any:
    if isinstance(came, Failure):
        raise GatewayUnavailable(f"The gateway does not answer: {came.reason}")
    try:
        document = json.loads(came.body) if came.body else None
    except ValueError:
        document = None
    if came.status == 204:
        return {}
    if 200 <= came.status < 300 and isinstance(document, dict):
        return document
    raise _error(came, document if isinstance(document, dict) else {})


def _error(answer: Answer, problem: dict[str, Any]) -> GatewayError | IntentDenied:
    """From an RFC 9457 problem, or whatever else came."""
    status, told = answer.status, problem.get("detail")
    detail = told if isinstance(told, str) else f"The gateway answered with status {status}."
    if status == 429:
        limited = RateLimited(detail, status)
        limited.retry_after = _seconds(answer.retry_after)
        return limited
    if status == 401:
        return AuthenticationError(detail, status)
    if status == 403:
        return _forbidden(detail, problem)
    errors = [error for error in problem.get("errors") or () if isinstance(error, dict)]
    return InvalidRequest(detail, status, errors) if 400 <= status < 500 else GatewayUnavailable(detail, status)


def _forbidden(detail: str, problem: dict[str, Any]) -> PermissionDenied | IntentDenied:
    decisions = problem.get("decisions")
    if isinstance(decisions, list):
        return denied_intent(decisions)
    word = detail.partition(":")[0]
    if word not in INTENT_WORDS:
        return PermissionDenied(detail, 403)
    error = IntentError(detail, 403)
    error.reason = word
    return error


def _seconds(header: str | None) -> float | None:
    """The gateway says seconds (RFC 9110 section 10.2.3), never a date."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
