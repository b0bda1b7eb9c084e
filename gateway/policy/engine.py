"""Answers what an agent may do under a set of documents; a new set is a new engine."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.policy.deciding import Judged, decide, verdict
from gateway.policy.document import Document
from gateway.policy.matching import is_about
from gateway.policy.preparing import Names, prepare
from gateway.policy.question import Facts, Question
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.verdict import Count, RequestVerdict, Verdict

_REMEMBERED = 10_000


class Engine:
    """The documents in force, compiled. `shadow`: none of them blocks anything, all say what they would."""

    def __init__(
        self, documents: Sequence[Document] = (), *, shadow: bool = False, servers: Collection[str] = ()
    ) -> None:
        self.documents = tuple(documents)
        self._shadow = shadow
        self._names = Names(servers)
        compiled = [Judged(Ruleset(document)) for document in documents]
        self._judged = sorted(compiled, key=lambda judged: judged.rules.level)
        self._known: dict[str, tuple[Agent, Rules]] = {}

    def of(self, agent: Agent) -> "Rules":
        """What holds for this agent."""
        known = self._known.get(agent.agent_id)  # not by all of the agent: hashing that takes longer than all the rest
        if known is None or (known[0] is not agent and known[0] != agent):
            if len(self._known) >= _REMEMBERED:  # keyed by what callers send: must not grow with them
                self._known.clear()
            matching = [judged for judged in self._judged if is_about(judged.rules.document.match, agent)]
            rules = Rules(matching, self._names, shadow=self._shadow)
            known = self._known[agent.agent_id] = agent, rules
        return known[1]


class Rules:
    """The documents that are about one agent.

    Attributes:
        idle: no call can be denied, held or recorded; `idle_requests` the same of requests.
        needs_transcript, needs_memory: what Facts must have; `memory_keys` is what the memory must have read.
    """

    def __init__(self, documents: Sequence[Judged], names: Names, *, shadow: bool = False) -> None:
        self._names = names
        self._all = tuple(documents)
        self._enforced = tuple(judged for judged in documents if not (shadow or judged.rules.clauses.shadow))
        self._rulesets = tuple(judged.rules for judged in documents)
        self.idle = all(judged.idle for judged in documents)
        self.idle_requests = True
        self.needs_transcript = False
        self.needs_memory = False
        self.memory_keys: tuple[Count, ...] = ()

    def judge_call(self, question: Question, facts: Facts) -> Verdict:
        """Whether the agent may be given this call, and why. Asked about an action and a tool, both must be allowed."""
        if question.action is not None and question.tool:
            by_tool = self.judge_call(replace(question, action=None), facts)
            if not by_tool.allowed:
                return by_tool
            question = replace(question, tool="")
        call = prepare(self._rulesets, question, facts, self._names)
        return verdict(decide(self._enforced, call), self._enforced, call)

    def judge_request(self, ask: Ask, size: int, facts: Facts) -> RequestVerdict:
        """What becomes of a request of `size` bytes."""
        return RequestVerdict()
