"""What the phases that judge tool calls tell each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.intents.claims import IntentClaims
from gateway.model.agent import Agent
from gateway.model.ask import Ask, OfferedTool
from gateway.model.tool_call import ToolCall
from gateway.model.transcript import Transcript
from gateway.model.value import value
from gateway.policy.engine import Rules
from gateway.policy.question import Facts, Intent, Memory, Question
from gateway.policy.verdict import Count, Verdict
from gateway.wire.refusal_text import called


@value
class Judged:
    """A call and what the policies say of it."""

    call: ToolCall
    question: Question
    verdict: Verdict

    @property
    def stands(self) -> bool:
        """Whether it is refused and no person may lift that."""
        return not (self.verdict.allowed or self.verdict.asks)

    @property
    def asks(self) -> bool:
        """Whether a person has to approve it."""
        return self.verdict.asks

    def refused(self, rule: str, reason: str) -> "Judged":
        """The same call, refused when it was about to be let through."""
        return replace(self, verdict=replace(self.verdict, allowed=False, approval=False, rule=rule, reason=reason))

    def lifted(self) -> "Judged":
        """The same call once a person has approved it."""
        verdict = replace(self.verdict, allowed=True, approval=False, reason="approved by a person")
        return replace(self, verdict=verdict)

    def sentence(self) -> str:
        return f"The call to {called(self.call.name)} was refused by rule {self.verdict.rule}: {self.verdict.reason}"


class SameTurn:
    """A memory that also knows of the calls before in the same turn, which nobody has made yet."""

    def __init__(self, memory: Memory, now: float) -> None:
        self._memory = memory
        self._now = now
        self._noted: dict[str, float] = {}

    def note(self, counts: Sequence[Count]) -> None:
        for count in counts:
            self._noted[count.key] = self._noted.get(count.key, 0.0) + count.amount

    def last(self, key: str) -> float | None:
        return self._now if key in self._noted else self._memory.last(key)

    def spent(self, key: str) -> float:
        return self._memory.spent(key) + self._noted.get(key, 0.0)

    def tainted(self, value: str) -> bool:
        return self._memory.tainted(value)


@dataclass(slots=True)
class Judgement:
    """What one request says that its answer's calls are judged by: one version of the policies from end to end.

    Attributes:
        said: what people have said so far, where a later request may go on without saying it again; see `earlier`.
        session: whose reading counts, where that is another than the conversation's.
        tools: what was offered, by name; None where the provider keeps the conversation and nothing was sent.
        planned: calls are only told, never let through.
        proposed: the call that is judged was proposed by a model and let through; see `releasing`.
        continued: the call that is judged goes on with one that was let through; the step it used, if any.
        lifted: the rule that a person lifts for the call that is judged, or has lifted for the one it goes on with.
        step: that the call judged last has used.
        intent: what the agent presents; `counted` is what its steps have counted.
        strip, redact: what is to be taken out of the request.
    """

    agent: Agent
    rules: Rules
    tools: Mapping[str, OfferedTool] | None
    transcript: Transcript | None = None
    conversation: str = ""
    planned: bool = False
    strip: tuple[str, ...] = ()
    redact: bool = False
    session: str | None = None
    said: bytes | None = None
    intent: IntentClaims | None = None
    counted: tuple[Count, ...] = ()
    proposed: bool = False
    continued: bool = False
    step: str | None = None
    lifted: str | None = None

    @property
    def needs_memory(self) -> bool:
        return self.rules.needs_memory or bool(self.counted)

    def present(self, intent: IntentClaims | None) -> bool:
        """Judge by this intent as well; whether the conversation has to be known for that."""
        if intent is None:
            return False
        self.intent = intent
        self.planned = self.planned or intent.execution == "plan_only"
        constraints = [(step.id, step.constraints or {}) for step in intent.steps]
        self.counted, reads = self.rules.demanded(intent.root, constraints)
        return reads

    def facts(
        self, now: float, modes: Mapping[str, str], memory: Memory | None = None, intent: Intent | None = None
    ) -> Facts:
        # What goes on was held to its intent and its grant, and counted, when it began.
        proposed, free = self.proposed or self.continued, self.continued
        return Facts(self.agent, now, modes, self.tools, self.transcript, memory, intent, proposed, free)


def question_of(call: ToolCall) -> Question:
    arguments: Any = call.parsed
    size = len(call.arguments.encode("utf-8", "surrogatepass"))
    return Question(call.name, arguments, call.kind, call.namespace, size)


def offered(ask: Ask) -> Mapping[str, OfferedTool] | None:
    """Tools by name. None where the provider keeps the conversation and nothing was sent: then nobody can know."""
    if not ask.tools and ask.previous is not None:
        return None
    found = {tool.name: tool for tool in reversed(ask.tools)}
    return found | {f"{tool.namespace}/{tool.name}": tool for tool in ask.tools if tool.namespace is not None}
