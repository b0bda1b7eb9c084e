"""One approval: what is asked, and how it is kept in Redis."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

Kind = Literal["tool_call", "healing", "intent", "tool_definition"]
Status = Literal["pending", "approved", "rejected", "expired"]
Outcome = Literal["approved", "rejected"]

ARGUMENTS_BYTES = 16 * 1024
"""Of a call's arguments that are kept for the approver to see."""

_TEXT = 500  # characters of a name or a reason that are kept
_DEEPEST = 100  # levels of arguments that are looked into


@dataclass(frozen=True, slots=True)
class Pending:
    """What somebody is asked to approve.

    Attributes:
        arguments: of the call, as a JSON document or as text.
        conversation: a hint at the conversation it came up in.
        args_hash: a keyed hash of the exact arguments: an approval counts for these alone. Of equal calls of one turn
            the second has `/1` behind it, and so on: an approval counts for one of them.
        deviation: of what is to be healed.
    """

    kind: Kind
    agent_id: str
    tool: str
    arguments: Any
    rule: str
    reason: str = ""
    conversation: str = ""
    request_id: str = ""
    args_hash: str = ""
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval as it is now. Times in seconds since the epoch.

    `status` is `expired` when it can be neither decided nor used any more. `arguments` are None once they are gone;
    where `truncated`, they are the beginning of their JSON text. Secrets in them are covered.
    """

    approval_id: str
    kind: str
    agent_id: str
    status: Status
    created_at: float
    expires_at: float
    tool: str
    arguments: Any = None
    truncated: bool = False
    rule: str = ""
    reason: str = ""
    conversation: str = ""
    request_id: str = ""
    args_hash: str = ""
    bound: str = ""
    deviation: float | None = None
    decided_by: str | None = None
    decided_at: float | None = None
    decision_reason: str | None = None
    used_at: float | None = None


def bound_to(kind: str, agent_id: str, tool: str, args_hash: str) -> str:
    """What names exactly this call of this agent."""
    return hashlib.sha256("\0".join((kind, agent_id, tool, args_hash)).encode()).hexdigest()[:40]


def shown_arguments(arguments: Any, cover: Callable[[str], str]) -> tuple[bytes, bool]:
    """The arguments as a JSON text that an approver may see, and whether they are only its beginning.

    Args:
        cover: takes known secrets out of a text.
    """
    try:
        text = orjson.dumps(_Covered(cover)(arguments), default=str)
    except (orjson.JSONEncodeError, RecursionError):  # a number or a text that JSON has no form for
        text = orjson.dumps(cover(repr(arguments)[:ARGUMENTS_BYTES]).encode("utf-8", "replace").decode())
    if len(text) <= ARGUMENTS_BYTES:
        return text, False
    return orjson.dumps(text[:ARGUMENTS_BYTES].decode("utf-8", "ignore")), True


def fields_of(pending: Pending, *, truncated: bool) -> dict[str, str]:
    """What is kept of a request, beside its arguments."""
    return {
        "kind": pending.kind,
        "agent_id": pending.agent_id,
        "tool": pending.tool[:_TEXT],
        "rule": pending.rule[:_TEXT],
        "reason": pending.reason[:_TEXT],
        "conversation": pending.conversation[:_TEXT],
        "request_id": pending.request_id[:_TEXT],
        "args_hash": pending.args_hash,
        "bound": bound_to(pending.kind, pending.agent_id, pending.tool, pending.args_hash),
        "truncated": "1" if truncated else "",
        "deviation": "" if pending.deviation is None else repr(pending.deviation),
    }


def read_approval(approval_id: str, now: int, arguments: bytes | None, fields: Mapping[str, str]) -> Approval:
    """An approval as Redis has it; times there are in ms."""
    status, expires = fields["status"], int(fields["expires_at"])
    if now >= expires and status != "rejected" and "used_at" not in fields:
        status = "expired"
    return Approval(
        approval_id,
        fields["kind"],
        fields["agent_id"],
        status,  # type: ignore[arg-type]  # the scripts write no other
        int(fields["created_at"]) / 1000,
        expires / 1000,
        fields["tool"],
        None if arguments is None else orjson.loads(arguments),
        bool(fields["truncated"]),
        fields["rule"],
        fields["reason"],
        fields["conversation"],
        fields["request_id"],
        fields["args_hash"],
        fields["bound"],
        float(fields["deviation"]) if fields["deviation"] else None,
        fields.get("decided_by"),
        _seconds(fields.get("decided_at")),
        fields.get("decision_reason") or None,
        _seconds(fields.get("used_at")),
    )


def _seconds(ms: str | None) -> float | None:
    return None if ms is None else int(ms) / 1000


class _Covered:
    """Covers secrets in all texts of a value, until there is more text than anybody will be shown."""

    def __init__(self, cover: Callable[[str], str]) -> None:
        self._cover = cover
        self._left = 4 * ARGUMENTS_BYTES

    def __call__(self, value: Any, levels: int = _DEEPEST) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict) and levels:
            return {self._text(str(name)): self(member, levels - 1) for name, member in value.items()}
        if isinstance(value, list | tuple) and levels:
            return [self(member, levels - 1) for member in value]
        return "…" if isinstance(value, dict | list | tuple) else value

    def _text(self, text: str) -> str:
        text = text[: self._left]
        self._left -= len(text)
        return self._cover(text) if text else text
