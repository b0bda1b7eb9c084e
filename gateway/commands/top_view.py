"""What `leuko top` shows: the admin API's answers, put in order. Draws nothing and asks nothing."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import Any, Literal

_ID = 12
WINDOW = 60.0
"""Seconds that a rate looks back."""
Pane = Literal["agents", "approvals"]
Document = Mapping[str, Any]

# What somebody should look at stands first.
_ORDER = ("EXHAUSTED", "QUARANTINED", "HEALING", "DRAINING", "SUSPECTED", "PROBATION")
_RANK = {state: rank for rank, state in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the admin API said at `at` (monotonic seconds); lists as it gives them. `more_agents`: there are others."""

    at: float = 0.0
    agents: tuple[Document, ...] = ()
    more_agents: bool = False
    approvals: tuple[Document, ...] = ()
    incidents: tuple[Document, ...] = ()
    providers: tuple[Document, ...] = ()
    mode: Document = field(default_factory=dict)
    stats: Document = field(default_factory=dict)
    stale_for: float | None = None


class Rates:
    """Requests and tokens a minute of each agent, from its totals over the last minute."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int, int]]] = {}

    def add(self, now: float, agents: Iterable[Document]) -> None:
        known, self._seen = self._seen, {}
        for agent in agents:
            totals = known.get(agent["agent_id"]) or deque()
            requests, tokens = agent["requests"], agent["input_tokens"] + agent["output_tokens"]
            if totals and requests < totals[-1][1]:  # forgotten and seen anew
                totals.clear()
            totals.append((now, requests, tokens))
            while len(totals) > 2 and now - totals[0][0] > WINDOW:
                totals.popleft()
            self._seen[agent["agent_id"]] = totals

    def of(self, agent_id: str) -> tuple[float, float] | None:
        """None until there are two readings."""
        totals = self._seen.get(agent_id)
        if totals is None or len(totals) < 2:
            return None
        (began, requests, tokens), (now, requests_now, tokens_now) = totals[0], totals[-1]
        minutes = max(now - began, 0.001) / 60.0
        return (requests_now - requests) / minutes, (tokens_now - tokens) / minutes


@dataclass(frozen=True, slots=True)
class View:
    """All that a frame shows. `stale`: why it may be out of date; `asks`: what a key would do, once it is confirmed;
    `said`: what became of the last one; `event`: the latest."""

    url: str
    clock: str
    answers: Answers
    rates: Rates
    selected: str = ""
    pane: Pane = "agents"
    stale: str = ""
    asks: str = ""
    said: str = ""
    event: Document | None = None
    keys: bool = True


def in_order(agents: Iterable[Document], rates: Rates) -> list[Document]:
    """Those in trouble first, then the busiest; what is about as busy by name, so that rows stay where they are."""

    def key(agent: Document) -> tuple[int, int, float, str]:
        rate = rates.of(agent["agent_id"])
        return (
            _RANK.get(agent["state"], len(_ORDER)),
            0 if agent.get("throttled") else 1,
            -int(log2(rate[0] + 1.0)) if rate else 0,
            agent["name"] or agent["agent_id"],
        )

    return sorted(agents, key=key)


def mode_of(document: Document) -> str:
    """Everyone's mode, or that in which the policies begin."""
    if not document:
        return "?"
    if document["mode"] is not None:
        mode = str(document["mode"])
    else:
        mode = "/".join(sorted({modes[0] for modes in document["policies"].values() if modes})) or "none"
    scoped = sum(item["scope"] != "everyone" for item in document["items"])
    return f"{mode} (+{scoped} of a part)" if scoped else mode


def called(agents: Iterable[Document], agent_id: str | None) -> str:
    """An agent's name, or as much of its id as tells it from others."""
    if not agent_id:
        return "the fleet"
    name = next((agent["name"] for agent in agents if agent["agent_id"] == agent_id), None)
    if name:
        return str(name)
    return agent_id if len(agent_id) <= _ID else f"{agent_id[:_ID]}…"
