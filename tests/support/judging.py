"""Judging by policy documents on the running path; what it records is kept in a list."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.identity.arguments import ArgumentsHash
from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.model.audit import AuditEntry
from gateway.phases.approving import Approvals, Approving
from gateway.phases.decisions import Decisions
from gateway.phases.earlier import Earlier
from gateway.phases.hearing import Hearing
from gateway.phases.judging import Judging, Memories
from gateway.phases.judging_requests import JudgingRequests
from gateway.phases.past_calls import Given, PastCalls
from gateway.phases.relayed_models import RelayedModels
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.policy.question import Facts, Memory, Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.verdict import Count, RequestVerdict, Verdict
from gateway.spool.errors import AuditUnavailable
from gateway.store.errors import StoreUnavailable
from gateway.wire.interdiction import HoldBudget
from tests.support.path import Path, running_path

TOOL = "restart_service"
SERVICE = "payments-7731"
PARAMETERS = {"type": "object", "properties": {"service": {"enum": [SERVICE]}}, "required": ["service"]}
FUNCTION = {"name": TOOL, "description": "", "parameters": PARAMETERS}
CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {
    "model": "stub-tool",
    "messages": [{"role": "user", "content": "Restart it"}],
    "tools": [{"type": "function", "function": FUNCTION}],
}


@dataclass
class Made:
    """An engine and its rules in one, whose answers a test makes up."""

    calls: dict[str, Verdict] = field(default_factory=dict)
    request: RequestVerdict = RequestVerdict()
    idle: bool = False
    idle_requests: bool = False
    plans: bool = False
    judges_models: bool = False
    needs_transcript: bool = False
    needs_memory: bool = False
    memory_keys: tuple[Count, ...] = ()
    most_calls: tuple[int, str] | None = None
    facts: list[Facts] = field(default_factory=list)

    def of(self, agent: Agent) -> "Made":
        return self

    def judge_call(self, question: Question, facts: Facts) -> Verdict:
        self.facts.append(facts)
        return self.calls.get(question.tool, Verdict(True, ""))

    def judge_request(self, ask: Ask, size: int, facts: Facts) -> RequestVerdict:
        return self.request


class Remembering:
    """Memories that a test makes up."""

    def __init__(self, full: Count | None = None, *, gone: bool = False) -> None:
        self.full, self.gone = full, gone
        self.loaded: list[tuple[str, str, tuple[Count, ...]]] = []
        self.counted: list[Sequence[Count]] = []

    async def load(
        self, agent_id: str, conversation: str, keys: Sequence[Count], *, session: str | None = None
    ) -> Memory:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.loaded.append((agent_id, conversation, tuple(keys)))
        return self

    async def count(self, agent_id: str, conversation: str, counts: Sequence[Count]) -> Count | None:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.counted.append(counts)
        return self.full

    def last(self, key: str) -> float | None:
        return None

    def spent(self, key: str) -> float:
        return 0

    def tainted(self, value: str) -> bool:
        return False


class Entries:
    """An audit record that a test can read, and break."""

    def __init__(self) -> None:
        self.all: list[AuditEntry] = []
        self.safe: list[str] = []
        self.broken: set[str] = set()

    def append(self, entry: AuditEntry) -> str:
        if "append" in self.broken:
            raise AuditUnavailable("The disk is full.")
        self.all.append(entry)
        return f"chain/{len(self.all) - 1}"

    async def durable(self, entry_id: str) -> None:
        if "durable" in self.broken:
            raise AuditUnavailable("The disk is full.")
        self.safe.append(entry_id)


@dataclass
class World:
    """A path that judges. `modes` may be changed at any time."""

    path: Path
    judging: Judging
    entries: Entries
    modes: dict[str, str]
    noted: list[RecordedCall] = field(default_factory=list)

    async def ask(
        self, *, stream: bool = False, headers: Mapping[str, str] | None = None, **members: Any
    ) -> httpx.Response:
        sent = {"authorization": "Bearer sk-0123456789abcdef", **(headers or {})}
        return await self.path.client.post(CHAT, json={**ASK, "stream": stream, **members}, headers=sent)


def engine(*documents: Mapping[str, Any], shadow: bool = False) -> Engine:
    """Of documents as they are written; one without a name is `ops`."""
    parsed = [parse({"name": "ops", **raw}, f"{number}.yaml") for number, raw in enumerate(documents)]
    return Engine(parsed, shadow=shadow)


@asynccontextmanager
async def judged_path(
    rules: Any,
    *,
    upstream: str = "http://127.0.0.1:1",
    approvals: Approvals | None = None,
    memories: Memories | None = None,
    strict: bool = False,
    keep: bool = False,
    hearing: Callable[[Judging], Hearing] | None = None,
    given: Given | None = None,
    earlier: Earlier | None = None,
    change: Callable[[Judging], None] = lambda judging: None,
) -> AsyncIterator[World]:
    """Serve under an engine, real or made up."""
    entries, modes, noted = Entries(), dict[str, str](), list[RecordedCall]()

    def modes_of(agent: Agent) -> Mapping[str, str]:
        return modes

    decisions = Decisions(
        entries,
        args_hash=ArgumentsHash(b"secret"),
        clock=lambda: 1.8e9,
        note=noted.append if keep else None,
        strict=strict,
    )
    requests = JudgingRequests(lambda exchange: rules, decisions, modes=modes_of, clock=lambda: 1.8e9)
    judging = Judging(
        decisions,
        modes=modes_of,
        clock=lambda: 1.8e9,
        memories=memories,
        approving=None if approvals is None else Approving(approvals),
    )
    change(judging)
    heard = None if hearing is None else hearing(judging)
    models = RelayedModels(
        lambda exchange: rules, decisions, HoldBudget(), limit=1_000_000, modes=modes_of, clock=lambda: 1.8e9
    )
    gates = (requests.gate, models.gate, *(one.gate for one in (earlier, heard) if one is not None))
    judge_of = judging.of if heard is None else heard.of
    if given is not None:
        past = PastCalls(
            lambda exchange: rules, judge_of, given, modes=modes_of, clock=lambda: 1.8e9, memories=memories
        )
        gates, judge_of = (*gates, past.gate), past.of
    observers = () if earlier is None else (earlier.observe,)
    async with running_path(upstream, judge_of=judge_of, gates=gates, observers=observers) as path:
        yield World(path, judging, entries, modes, noted)
