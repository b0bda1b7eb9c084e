"""What is told of a gateway's answers, as its admin API gives them."""

import random
from typing import Any

import httpx

from gateway.demo.chaos_watch import Watch
from gateway.demo.simulated_agent import SimulatedAgent

MOVES = [
    {"state": "HEALTHY", "at": "2026-01-01T00:00:00.000Z", "cause": "warm", "by": "gateway"},
    {"state": "SUSPECTED", "at": "2026-01-01T00:00:01.000Z", "cause": "tool_loop", "by": "gateway"},
    {"state": "DRAINING", "at": "2026-01-01T00:00:02.000Z", "cause": "tool_loop", "by": "gateway"},
]
INCIDENT: dict[str, Any] = {
    "incident_id": "inc_1",
    "agent_id": "agt_1",
    "findings": [
        {"type": "tool_loop", "metric": "identical_calls", "deviation": None, "hard": True},
        {"type": "output_token_spike", "metric": "output", "deviation": 7.26, "hard": False},
    ],
    "diagnoses": [{"cause": "infinite_loop", "confidence": 0.8}, {"cause": "unknown", "confidence": 0.2}],
    "actions": [],
    "approval": None,
    "detail": {},
}


class Admin:
    """An admin API whose answers a test changes."""

    def __init__(self) -> None:
        self.moves, self.incidents = MOVES[:1], [dict(INCIDENT)]
        self.open: list[dict[str, Any]] = []
        self.throttled = False

    async def ask(self, method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        if path.startswith("/lifecycle/"):
            return {"state": self.moves[-1]["state"], "history": self.moves}
        if path.startswith("/agents/"):
            return {"throttled": self.throttled}
        return {"items": self.open if "open" in (query or {}) else self.incidents}


def watched(admin: Admin) -> tuple[Watch, SimulatedAgent, list[str]]:
    agent = SimulatedAgent(httpx.AsyncClient(), "a", credential="sk-0123456789abcdef", chance=random.Random(1))
    agent.agent_id = "agt_1"
    told: list[str] = []
    return Watch(admin.ask, [agent], told.append), agent, told


async def test_each_piece_of_news_is_told_once() -> None:
    admin = Admin()
    watch, agent, told = watched(admin)
    admin.incidents = []
    await watch.begin()
    await watch.look()
    assert told == [] and watch.state(agent) == "HEALTHY" and not watch.blocked(agent)
    admin.moves, admin.incidents = MOVES, [dict(INCIDENT)]
    for _ in range(3):
        await watch.look()
    admin.throttled = True
    await watch.look()
    assert told == [
        "a  SUSPECTED  tool_loop",
        "a  DRAINING  tool_loop",
        "a  finding tool_loop (identical_calls, hard)",
        "a  finding output_token_spike (output, +7.3 σ)",
        "a  diagnosis infinite_loop 0.80, unknown 0.20",
        "a  throttled: one request at a time",
    ]
    assert watch.states["a"] == ["HEALTHY", "SUSPECTED", "DRAINING"] and watch.blocked(agent)
    assert watch.throttled == {"a"}
    assert watch.found["a"] == {"tool_loop", "output_token_spike"}


async def test_treatments_and_their_outcomes_are_told_and_what_waits_for_a_person() -> None:
    admin = Admin()
    watch, _, told = watched(admin)
    await watch.begin()
    await watch.look()
    told.clear()
    applied = {"action": "reset_memory", "outcome": "applied", "at": "2026-01-01T00:00:03.000Z"}
    admin.incidents = [INCIDENT | {"actions": [applied], "approval": "pending"}]
    await watch.look()
    admin.incidents = [INCIDENT | {"actions": [applied | {"outcome": "healed"}], "approval": "approved"}]
    await watch.look()
    waits = "a  healing waits for a person's approval: leuko approvals"
    assert told == ["a  reset_memory: applied", waits, "a  reset_memory: healed"]


async def test_a_provider_that_is_the_cause_is_told_unless_it_was_before() -> None:
    admin = Admin()
    before = INCIDENT | {"agent_id": None, "incident_id": "inc_0"}
    admin.open = [before]
    watch, _, told = watched(admin)
    await watch.begin()
    admin.open = [before, before | {"incident_id": "inc_2", "detail": {"provider": "stub", "model": "m"}}]
    admin.incidents = []
    await watch.look()
    await watch.look()
    assert told == ["provider  external_cause: stub m"] and watch.external == {"inc_2"}
