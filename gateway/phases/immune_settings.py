"""What the policies in force set of the immune system, for each agent.

Of documents that say the same thing the most specific one counts (agent before team before environment before
everyone), of equals the last: files by their names, then `GATEWAY_POLICIES`, then those made over the API. Documents in
shadow set nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from gateway.immune.settings import Immune, LoopLimits, settings_of
from gateway.model.agent import Agent
from gateway.model.bounded import make_room
from gateway.phases.policies import InForce, Policies
from gateway.policy.by_agent import ByAgent
from gateway.policy.clauses import Clauses
from gateway.policy.engine import Engine, Rules

_REMEMBERED = 1_000


class ImmuneSettings:
    """Asked on the way of every exchange, so each agent's are worked out once for a set of documents.

    Args:
        shadow: nothing is done about any agent, whatever documents say.
    """

    def __init__(self, policies: Policies, shadow: bool) -> None:
        self._policies = policies
        self._shadow = shadow
        self._use(policies.current)

    def of(self, agent: Agent) -> Immune:
        """The same object for as long as no document changes; agents under the same documents share it."""
        if self._policies.current is not self._known:
            self._use(self._policies.current)
        return self._by_agent.of(agent)

    def _use(self, known: InForce) -> None:
        self._known = known
        found = _Settings(known.engine, self._shadow)
        self._by_agent = ByAgent(found.of)


class _Settings:
    """Those of one set of documents."""

    def __init__(self, engine: Engine, shadow: bool) -> None:
        self._engine = engine
        self._shadow = shadow
        self._alike: dict[Rules, Immune] = {}

    def of(self, agent: Agent) -> Immune:
        rules = self._engine.of(agent)
        found = self._alike.get(rules)
        if found is None:
            make_room(self._alike, _REMEMBERED)
            found = self._alike[rules] = _settings(rules)
            if self._shadow:
                found = self._alike[rules] = replace(found, mode="shadow")
        return found


_WAITING = frozenset({"BashOutput", "TaskOutput", "write_stdin", "browser_wait_for"})
"""By these tools of widely used agents a model waits for what goes on in the background: Claude Code's two, Codex's,
Playwright's."""


class Polled(Collection[str]):
    """The tools that are called again and again by intention, in whatever way their names are written. What is iterated
    over are those that policies name; a few by which agents wait are among them without that."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._names = tuple(tool.name for clauses in rules.unshadowed for tool in clauses.tools if tool.polling)
        self._known: dict[str, bool] = {}

    def __contains__(self, tool: object) -> bool:
        if not isinstance(tool, str):
            return False
        if tool in _WAITING or not self._names:
            return tool in _WAITING
        known = self._known.get(tool)
        if known is None:
            make_room(self._known, _REMEMBERED)  # keyed by what callers send
            known = self._known[tool] = self._rules.polls(tool)
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _settings(rules: Rules) -> Immune:
    documents = rules.unshadowed
    return settings_of([clauses.immune for clauses in documents], _limits(documents, Polled(rules)))


def _limits(documents: Sequence[Clauses], polled: Polled) -> LoopLimits:
    """The limits of the strictest document, whole: put together from several, they would block what none of them does.
    Each document's own limits hold besides where its calls are judged."""
    found = [clauses.loops for clauses in documents if clauses.loops is not None]
    if not found:
        return LoopLimits(polling=polled)
    strictest = min(found, key=lambda loops: (loops.block_at, loops.identical_calls, -loops.window))
    return LoopLimits(strictest.identical_calls, strictest.window, strictest.block_at, polling=polled)
