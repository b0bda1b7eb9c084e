"""What recorded requests and calls would have met under another set of documents.

Nothing of a conversation is recorded but its calls. Constraints that look at more than that are left out on both sides,
and a call for which they differ is `undecided`; so is one whose arguments were not kept, where those matter.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.model.ask import Ask
from gateway.model.transcript import MadeCall, Transcript
from gateway.policy.actions import fits, normal, split_server
from gateway.policy.document import Document
from gateway.policy.engine import Engine
from gateway.policy.partial import conversational, decidable, without_arguments
from gateway.policy.question import Facts
from gateway.policy.recalled import Recalled
from gateway.policy.recorded import ANY, Recorded, RecordedCall, RecordedRequest
from gateway.policy.verdict import Verdict

Said = Literal["allow", "deny", "approval"]

_CALLS = 100  # of a conversation that are looked back at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side says. `shadow`: what it would say if it were not in shadow, where that is another thing."""

    said: Said
    rule: str = ""
    reason: str = ""
    policy: str | None = None
    mode: str | None = None
    strip: tuple[str, ...] = ()
    execution: str | None = None
    shadow: tuple[str, ...] = ()

    @property
    def effect(self) -> tuple[object, ...]:
        """What the agent, or whoever watches a shadow, would notice of it."""
        return self.said, self.strip, self.execution, bool(self.shadow)


@dataclass(frozen=True, slots=True)
class Difference:
    """A record that the two sides judge differently; `undecided` says why that cannot be known, else None."""

    record: Recorded
    before: Outcome
    after: Outcome
    undecided: str | None = None


class Replay:
    """Judges records, the oldest first, under two sets of documents.

    Args:
        shadow: the whole gateway only watches.
        servers: names of the configured MCP servers.
    """

    def __init__(
        self,
        before: Sequence[Document],
        after: Sequence[Document],
        *,
        shadow: bool = False,
        servers: Collection[str] = (),
    ) -> None:
        self._servers = servers
        self._before = _Side(before, shadow, servers)
        self._after = _Side(after, shadow, servers)
        self._conversations: dict[tuple[str, str], deque[MadeCall]] = {}

    def judge(self, record: Recorded) -> Difference | None:
        """What is different for this record; None: nothing."""
        if isinstance(record, RecordedRequest):
            before, after = self._before.of_request(record), self._after.of_request(record)
            return None if before.effect == after.effect else Difference(record, before, after)
        transcript = self._transcript(record)
        before, after = self._before.of_call(record, transcript), self._after.of_call(record, transcript)
        unknown = self._unknown(record)
        if unknown is not None and not before.said == after.said == "deny":
            return Difference(record, before, after, unknown)
        return None if before.effect == after.effect else Difference(record, before, after)

    def _transcript(self, call: RecordedCall) -> Transcript | None:
        """The earlier recorded calls of its conversation; from then on it is one of them."""
        if not call.conversation:
            return None
        made = self._conversations.setdefault((call.agent.agent_id, call.conversation), deque(maxlen=_CALLS))
        found = Transcript((), tuple(made))
        made.append(MadeCall(call.question.tool, call.question.arguments))
        return found

    def _unknown(self, call: RecordedCall) -> str | None:
        """Why the sides may differ in what the record does not show."""
        tool = _name_of(call, self._servers)
        sides = [list(side.hidden(tool, call)) for side in (self._before, self._after)]
        if sides[0] == sides[1]:
            return None
        if call.cut:
            return "its arguments were too large to be kept"
        return "it depends on the conversation, or on a secret, which are not kept"


class _Side:
    """One set of documents, with what it would have counted so far."""

    def __init__(self, documents: Sequence[Document], shadow: bool, servers: Collection[str]) -> None:
        self._documents = documents
        self._names = [document.name for document in documents]
        self._engine = Engine([decidable(document) for document in documents], shadow=shadow, servers=servers)
        # For calls whose arguments were not kept: they are not to be taken for calls without any.
        self._blind = Engine([without_arguments(document) for document in documents], shadow=shadow, servers=servers)
        self._memory = Recalled()

    def of_request(self, request: RecordedRequest) -> Outcome:
        facts = Facts(request.agent, request.time, self._modes(request), {tool.name: tool for tool in request.tools})
        ask = Ask({}, request.model, request.stream, request.tools)
        found = self._engine.of(request.agent).judge_request(ask, request.size, facts)
        shadow = tuple(rule for rule, _ in found.shadowed)
        if found.denied is not None:
            verdict = found.denied
            return Outcome("deny", verdict.rule, verdict.reason, verdict.policy, verdict.mode, shadow=shadow)
        return Outcome("allow", strip=found.strip, execution=found.execution, shadow=shadow)

    def of_call(self, call: RecordedCall, transcript: Transcript | None) -> Outcome:
        memory = self._memory.of(call.agent.agent_id, call.conversation, call.time)
        facts = Facts(call.agent, call.time, self._modes(call), call.tools, transcript, memory)
        engine = self._blind if call.cut else self._engine
        verdict = engine.of(call.agent).judge_call(call.question, facts)
        said = _said(verdict)
        full = memory.count(verdict.counts) if said == "allow" else None
        shadow = tuple(rule for rule, _ in verdict.shadowed)
        if full is not None:
            return Outcome("deny", full.rule, full.reason, verdict.policy, verdict.mode, shadow=shadow)
        return Outcome(said, verdict.rule, verdict.reason, verdict.policy, verdict.mode, shadow=shadow)

    def hidden(self, tool: tuple[str | None, str], call: RecordedCall) -> Iterator[tuple[str, str, object]]:
        """What its documents say of the call that cannot be judged now."""
        server, name = tool
        for document in self._documents:
            if call.covered and document.clauses.secrets == "deny":
                yield document.name, "secrets", "deny"
            for entry in document.clauses.tools:
                if entry.arguments is None or not fits(entry.key, name, "", server):
                    continue
                left_out = conversational(entry.arguments) if not call.cut else entry.arguments
                if left_out:
                    yield document.name, entry.name, left_out

    def _modes(self, record: Recorded) -> dict[str, str]:
        others = record.modes.get(ANY)
        found = {name: record.modes.get(name, others) for name in self._names}
        return {name: mode for name, mode in found.items() if mode is not None}


def _said(verdict: Verdict) -> Said:
    return "approval" if verdict.asks else "allow" if verdict.allowed else "deny"


def _name_of(call: RecordedCall, servers: Collection[str]) -> tuple[str | None, str]:
    if call.question.server is not None:
        return call.question.server, normal(call.question.tool)
    server, own = split_server(call.question.tool, servers)
    return server, normal(own)
