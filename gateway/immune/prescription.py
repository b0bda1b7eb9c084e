"""What a treatment changes about an agent's requests: plain data that `admit` and `rewrite` carry out.

A prescription does nothing by itself and is gone without a trace when it is taken away: nothing that an agent sent is
changed for good.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Once = Literal["revoke_intents", "control_agent", "restart_container"]
"""What is done a single time, when the treatment begins; the last two by executors."""

_SETS = frozenset({"only_tools", "without_tools", "ended_conversations", "usual_prompts", "usual_models"})


@dataclass(frozen=True, slots=True)
class Prescription:
    """Everything is off by default.

    remedies: names of what is in force, for the audit entry of each request.
    drop_history: what a conversation held at its first request under this prescription is left out, then and in all
        later requests of that conversation, but for system messages and the last turn.
    system_prompt: the hash of an earlier system prompt to put in the place of the request's own.
    usual_prompts, usual_models: hashes and names that are left as they are: an agent may have several good ones.
    plan_only: tool calls are shown and not made. serial_calls: `parallel_tool_calls: false`.
    output_tokens: the most that one answer may have. tool_calls: the most calls in one answer.
    only_tools: all others are taken out of requests, and calls of them are denied. without_tools: these are.
    model: asked in the place of the request's own.
    concurrent, requests_per_minute: beyond them, 429.
    ended_conversations: refused as `conversation_blocked`; new ones are let through.
    once: see `Once`.
    """

    remedies: tuple[str, ...] = ()
    drop_history: bool = False
    system_prompt: str | None = None
    plan_only: bool = False
    serial_calls: bool = False
    output_tokens: int | None = None
    tool_calls: int | None = None
    only_tools: frozenset[str] | None = None
    without_tools: frozenset[str] = frozenset()
    model: str | None = None
    concurrent: int | None = None
    requests_per_minute: int | None = None
    ended_conversations: frozenset[str] = frozenset()
    once: tuple[Once, ...] = ()
    usual_prompts: frozenset[str] = frozenset()
    usual_models: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        """Whether nothing of a request changes."""
        return self == Prescription(self.remedies, once=self.once)


NOTHING = Prescription()


def joined(prescriptions: Iterable[Prescription]) -> Prescription:
    """All of them at once: of two bounds the tighter, of two names the latest one's."""
    many = tuple(prescriptions)
    only = [p.only_tools for p in many if p.only_tools is not None]
    return Prescription(
        remedies=tuple(dict.fromkeys(name for p in many for name in p.remedies)),
        drop_history=any(p.drop_history for p in many),
        system_prompt=_last(p.system_prompt for p in many),
        plan_only=any(p.plan_only for p in many),
        serial_calls=any(p.serial_calls for p in many),
        output_tokens=_least(p.output_tokens for p in many),
        tool_calls=_least(p.tool_calls for p in many),
        only_tools=frozenset.intersection(*only) if only else None,
        without_tools=frozenset().union(*(p.without_tools for p in many)),
        model=_last(p.model for p in many),
        concurrent=_least(p.concurrent for p in many),
        requests_per_minute=_least(p.requests_per_minute for p in many),
        ended_conversations=frozenset().union(*(p.ended_conversations for p in many)),
        once=tuple(dict.fromkeys(name for p in many for name in p.once)),
        usual_prompts=frozenset().union(*(p.usual_prompts for p in many)),
        usual_models=frozenset().union(*(p.usual_models for p in many)),
    )


def members(prescription: Prescription) -> dict[str, Any]:
    """As JSON holds it: what is not as it is by default."""
    found: dict[str, Any] = {}
    for field in fields(Prescription):
        value = getattr(prescription, field.name)
        if value != field.default:
            found[field.name] = sorted(value) if field.name in _SETS else value
    return found


def prescription_of(document: Mapping[str, Any]) -> Prescription:
    """What `members` wrote, by this or a newer version, whose further members are left out."""
    found: dict[str, Any] = {}
    for field in fields(Prescription):
        if field.name in document:
            value = document[field.name]
            found[field.name] = frozenset(value) if field.name in _SETS else _plain(value)
    return Prescription(**found)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _least(bounds: Iterable[int | None]) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _last(names: Iterable[str | None]) -> str | None:
    found = None
    for name in names:
        found = name if name is not None else found
    return found
