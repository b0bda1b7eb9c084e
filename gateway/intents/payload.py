"""Claims as the JSON of a token and back (RFC 7519; RFC 9396 for steps, RFC 8693 for `act`).

Reading is exact: members that are not known in a step would be demands that nobody checks.
"""

from collections.abc import Mapping
from typing import Any

from gateway.intents.claims import (
    DEEPEST,
    EXECUTIONS,
    LONGEST_CALL,
    LONGEST_INTENT,
    MOST_STEPS,
    CallClaims,
    IntentClaims,
    Step,
    TokenProblem,
)

_LONGEST = 500  # characters of a name or an id
_STEP_MEMBERS = frozenset({"type", "id", "tool", "server", "arguments", "constraints", "max_uses", "after"})
_TYPE = "tool_call"
_MOST_USES = 1_000_000


def of_intent(claims: IntentClaims, issuer: str, audience: str) -> dict[str, Any]:
    """The payload of an intent token."""
    act: dict[str, Any] = {}
    for agent_id in reversed((claims.agent_id, *claims.act)):
        act = {"sub": agent_id, **({"act": act} if act else {})}
    return _present({
        "iss": issuer,
        "sub": claims.principal,
        "act": act,
        "aud": audience,
        "iat": int(claims.issued),
        "nbf": int(claims.not_before),
        "exp": int(claims.expires),
        "jti": claims.jti,
        "parent": claims.parents[-1] if claims.parents else None,
        "parents": list(claims.parents) or None,
        "execution": claims.execution,
        "mode": claims.mode,
        "pol": claims.policy,
        "cnf": None if claims.key_thumbprint is None else {"kid": claims.key_thumbprint},
        "authorization_details": [_of_step(step) for step in claims.steps],
    })  # fmt: skip


def of_call(claims: CallClaims, issuer: str) -> dict[str, Any]:
    """The payload of a call token."""
    return _present({
        "iss": issuer,
        "aud": claims.audience,
        "act": {"sub": claims.agent_id},
        "iat": int(claims.issued),
        "exp": int(claims.expires),
        "jti": claims.jti,
        "tool": claims.tool,
        "call_id": claims.call_id,
        "args_hash": claims.args_hash,
        "intent": claims.intent,
        "tdef": claims.tdef,
        "dec": claims.decision,
    })  # fmt: skip


def read_intent(payload: Mapping[str, Any], issuer: str, audience: str) -> IntentClaims:
    """The claims of an intent token of this issuer for this audience. Raises TokenProblem `malformed`."""
    _meant_for(payload, issuer, audience)
    parents = _texts(payload, "parents")
    if payload.get("parent") != (parents[-1] if parents else None) or len(parents) > DEEPEST:
        raise _malformed("parents")
    agents = _agents(payload.get("act"))
    execution = _text(payload, "execution")
    if execution not in EXECUTIONS:
        raise _malformed("execution")
    bound = payload.get("cnf")
    issued, expires = _times(payload, LONGEST_INTENT)
    return IntentClaims(
        jti=_text(payload, "jti"),
        agent_id=agents[0],
        principal=_optional(payload, "sub"),
        steps=_steps(payload.get("authorization_details"), narrowed=bool(parents)),
        issued=issued,
        expires=expires,
        not_before=_time(payload, "nbf"),
        parents=parents,
        execution=execution,
        policy=_text(payload, "pol"),
        act=agents[1:],
        key_thumbprint=None if bound is None else _text(_object(bound, "cnf"), "kid"),
        mode=_optional(payload, "mode"),
    )


def read_call(payload: Mapping[str, Any], issuer: str, audience: str) -> CallClaims:
    """The claims of a call token of this issuer for this audience. Raises TokenProblem `malformed`."""
    _meant_for(payload, issuer, audience)
    issued, expires = _times(payload, LONGEST_CALL)
    return CallClaims(
        jti=_text(payload, "jti"),
        agent_id=_text(_object(payload.get("act"), "act"), "sub"),
        audience=audience,
        tool=_text(payload, "tool"),
        call_id=_text(payload, "call_id"),
        args_hash=_text(payload, "args_hash"),
        intent=_optional(payload, "intent"),
        tdef=_optional(payload, "tdef"),
        decision=_text(payload, "dec"),
        issued=issued,
        expires=expires,
    )


def _of_step(step: Step) -> dict[str, Any]:
    return _present({
        "type": _TYPE,
        "id": step.id,
        "tool": step.tool,
        "server": step.server,
        "arguments": None if step.arguments is None else dict(step.arguments),
        "constraints": None if step.constraints is None else {k: dict(v) for k, v in step.constraints.items()},
        "max_uses": step.max_uses,
        "after": list(step.after) or None,
    })  # fmt: skip


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in members.items() if member is not None}


def _steps(details: object, *, narrowed: bool) -> tuple[Step, ...]:
    if not isinstance(details, list) or not 0 < len(details) <= MOST_STEPS:
        raise _malformed("authorization_details")
    steps = tuple(_step(_object(detail, "authorization_details")) for detail in details)
    ids = {step.id for step in steps}
    # A narrower intent may wait for steps that only its parent has.
    if len(ids) != len(steps) or not (narrowed or all(ids.issuperset(step.after) for step in steps)):
        raise _malformed("authorization_details")
    return steps


def _step(detail: Mapping[str, Any]) -> Step:
    if detail.get("type") != _TYPE or not detail.keys() <= _STEP_MEMBERS:
        raise _malformed("authorization_details")
    arguments, constraints, uses = detail.get("arguments"), detail.get("constraints"), detail.get("max_uses")
    if constraints is not None:
        constraints = {name: _object(one, "constraints") for name, one in _object(constraints, "constraints").items()}
    if type(uses) is not int or not 0 < uses <= _MOST_USES:
        raise _malformed("max_uses")
    return Step(
        id=_text(detail, "id"),
        tool=_text(detail, "tool"),
        server=_optional(detail, "server"),
        arguments=None if arguments is None else _object(arguments, "arguments"),
        constraints=constraints,
        max_uses=uses,
        after=_texts(detail, "after"),
    )


def _meant_for(payload: Mapping[str, Any], issuer: str, audience: str) -> None:
    for name, wanted in (("iss", issuer), ("aud", audience)):
        found = payload.get(name)
        if not isinstance(found, str) or found != wanted:
            raise _malformed(name)


def _agents(act: object) -> tuple[str, ...]:
    """Whose turn it is, then who handed it on, the latest first."""
    found: list[str] = []
    while act is not None:
        actor = _object(act, "act")
        found.append(_text(actor, "sub"))
        act = actor.get("act")
    if not 0 < len(found) <= DEEPEST + 1:
        raise _malformed("act")
    return tuple(found)


def _times(payload: Mapping[str, Any], longest: int) -> tuple[int, int]:
    issued, expires = _time(payload, "iat"), _time(payload, "exp")
    if not issued <= expires <= issued + longest:
        raise _malformed("exp")
    return issued, expires


def _time(payload: Mapping[str, Any], name: str) -> int:
    """Whole seconds, as we write them; all other numbers are somebody else's."""
    found = payload.get(name)
    if type(found) is not int or found <= 0:
        raise _malformed(name)
    return found


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= _LONGEST:
        raise _malformed(name)
    return found


def _optional(members: Mapping[str, Any], name: str) -> str | None:
    return None if members.get(name) is None else _text(members, name)


def _texts(members: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = members.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in found):
        raise _malformed(name)
    return tuple(found)


def _object(found: object, name: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise _malformed(name)
    return found


def _malformed(name: str) -> TokenProblem:
    return TokenProblem("malformed", f"its `{name}` is not what this gateway writes")
