"""Which agents have series of their own: few, and those that are busy. The others are counted together as `other`.

Label values cost memory in every system downstream, and anybody can make up an agent, so their number is fixed. A place
is given to whoever comes first and passed on, once a minute, when somebody outside was busier than its holder was.
"""

from collections.abc import Callable, Iterator

OTHER = "other"
_WATCHED = 1_000


class AgentTotals:
    """One agent's totals since it got its place."""

    __slots__ = ("cost_usd", "lately", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = 0
        self.tokens = 0
        self.cost_usd = 0.0
        self.lately = 0


class TopAgents:
    """Totals of at most `places` agents, and of all others together.

    A total never falls while its agent keeps the place; one that comes back begins at 0, like a restarted process.

    Args:
        clock: monotonic seconds. round_seconds: how often places change hands.
    """

    def __init__(self, clock: Callable[[], float], *, places: int = 50, round_seconds: float = 60.0) -> None:
        self._clock = clock
        self._places = places
        self._round = round_seconds
        self._began = clock()
        self._holders: dict[str, AgentTotals] = {}
        self._outside: dict[str, int] = {}
        self.other = AgentTotals()

    def count(self, agent_id: str, tokens: int, cost_usd: float) -> None:
        totals = self._holders.get(agent_id)
        if totals is None:
            totals = self._newcomer(agent_id)
        totals.requests += 1
        totals.lately += 1
        totals.tokens += tokens
        totals.cost_usd += cost_usd

    def totals(self) -> Iterator[tuple[str, AgentTotals]]:
        """Every holder of a place, then the others."""
        if self._clock() - self._began >= self._round:
            self._pass_on()
        yield from list(self._holders.items())
        yield OTHER, self.other

    def _newcomer(self, agent_id: str) -> AgentTotals:
        if len(self._holders) < self._places:
            totals = self._holders[agent_id] = AgentTotals()
            return totals
        if agent_id in self._outside or len(self._outside) < _WATCHED:
            self._outside[agent_id] = self._outside.get(agent_id, 0) + 1
        return self.other

    def _pass_on(self) -> None:
        """The quietest holders make room for those outside who were more than twice as busy."""
        waiting = sorted(self._outside.items(), key=lambda one: -one[1])[: self._places]
        quiet = sorted(self._holders.items(), key=lambda one: one[1].lately)
        for (agent_id, lately), (holder, totals) in zip(waiting, quiet, strict=False):
            if lately <= 2 * totals.lately:
                break
            del self._holders[holder]
            self._holders[agent_id] = AgentTotals()
        self._outside.clear()
        for totals in self._holders.values():
            totals.lately = 0
        self._began = self._clock()
