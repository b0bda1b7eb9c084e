"""What agents would have done so far, counted in this process alone: the memory of a decision that is only tried."""

from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.policy.verdict import Count

_Spent = dict[tuple[str, str, str], float]


class Recalled:
    """The memories of all agents."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str], float] = {}
        self.spent: _Spent = {}
        self.periods: dict[str, str] = {}

    def of(self, agent_id: str, conversation: str | None, now: float) -> "RecalledBy":
        """One agent's at a time, seconds since the epoch."""
        return RecalledBy(self, agent_id, conversation, now)


class RecalledBy:
    """What one agent did, in one conversation, up to a time."""

    def __init__(self, all: Recalled, agent_id: str, conversation: str | None, now: float) -> None:
        self._all = all
        self._agent_id = agent_id
        self._conversation = conversation or ""
        self._now = now

    def last(self, key: str) -> float | None:
        """When an action of this key was counted last, seconds since the epoch."""
        return self._all.times.get((self._agent_id, key))

    def spent(self, key: str) -> float:
        """What was counted under this key in its present period."""
        return self._all.spent.get((self._agent_id, key, self._span(self._all.periods.get(key, "day"))), 0.0)

    def tainted(self, value: str) -> bool:
        """Nothing is known of what was read."""
        return False

    def count(self, counts: Iterable[Count]) -> Count | None:
        """Count all or none; the first that has no room."""
        counts = tuple(counts)
        for one in counts:
            self._all.periods[one.key] = one.period
            if one.limit is not None and self.spent(one.key) + one.amount > one.limit:
                return one
        for one in counts:
            self._all.times[self._agent_id, one.key] = self._now
            place = (self._agent_id, one.key, self._span(one.period))
            self._all.spent[place] = self._all.spent.get(place, 0.0) + one.amount
        return None

    def _span(self, period: str) -> str:
        if period == "conversation":
            return f"conversation:{self._conversation}"
        form = {"hour": "%Y-%m-%dT%H", "month": "%Y-%m"}.get(period, "%Y-%m-%d")
        return datetime.fromtimestamp(self._now, UTC).strftime(form)
