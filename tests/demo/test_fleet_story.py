"""The story of a fleet on a real path; what is made of it is scripted here, and real at the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest

from gateway.commands.client import AdminClient
from gateway.demo.chaos_faults import FAULTS
from gateway.demo.fleet_cases import Case
from gateway.demo.fleet_story import FleetStory, StoryFailure
from gateway.demo.simulated_behaviour import WELL
from tests.support.gateway import ADMIN_KEY, running_gateway
from tests.support.path import Path, running_path

TREATED = ("SUSPECTED", "DRAINING", "QUARANTINED", "HEALING", "PROBATION")
QUICK = {
    "_POLL_SECONDS": 0.02,
    "_DELAY_MS": 1.0,
    "_WARM_ANSWERS": 4,
    "_WARM_SECONDS": 5.0,
    "_HEAL_SECONDS": 0.8,
    "_OUTAGE_SECONDS": 0.3,
}


@pytest.fixture
async def path(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    for name, value in QUICK.items():
        monkeypatch.setattr(f"gateway.demo.fleet_story.{name}", value)
    async with running_path() as one:
        yield one


class Admin:
    """The admin API of a gateway that does what a test says. `states`: what an agent goes through while it is ill;
    `remedies`: what it is given then; `external`: whether the provider is blamed in an outage."""

    def __init__(self, findings: tuple[str, ...] = (), *, external: bool = True) -> None:
        self.states: Callable[[str], tuple[str, ...]] = lambda name: ()
        self.findings, self.external = findings, external
        self.remedies: tuple[str, ...] = ()
        self.throttled = False
        self.pending = True
        self.asked: list[tuple[str, str]] = []
        self.story: FleetStory | None = None
        self.seen: set[str] = set()

    async def ask(self, method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        story = self.story
        assert story is not None
        self.asked.append((method, path))
        agents = {agent.agent_id: agent for agent in story.agents if agent.agent_id}
        self.seen |= {agent.name for agent in story.agents if agent.behaviour not in (WELL, FAULTS["outage"].behaviour)}
        outage = any(agent.behaviour == FAULTS["outage"].behaviour for agent in story.agents)
        if path == "/agents":
            items = [{"agent_id": one, "state": self._path(agent.name)[-1]} for one, agent in agents.items()]
            return {"items": items}
        if path.startswith("/lifecycle/"):
            states = self._path(agents[path.rpartition("/")[2]].name)
            history = [{"state": one, "at": str(at), "cause": "why", "by": "gateway"} for at, one in enumerate(states)]
            return {"state": states[-1], "history": history}
        if path.startswith("/agents/"):
            return {"throttled": self.throttled}
        if path == "/healing":
            ill = [one for one, agent in agents.items() if agent.name in self.seen]
            return {"agents": [{"agent_id": one, "state": "PROBATION", "remedies": self.remedies} for one in ill]}
        if path == "/approvals":
            waits = [one for one, agent in agents.items() if agent.name in self.seen] if self.pending else []
            return {"items": [{"approval_id": "apr_1", "kind": "healing", "agent_id": one} for one in waits]}
        return {"items": self._incidents((query or {}).get("agent_id"), outage)}

    def _path(self, name: str) -> tuple[str, ...]:
        return ("HEALTHY", *(self.states(name) if name in self.seen else ()))

    def _incidents(self, about: str | None, outage: bool) -> list[dict[str, Any]]:
        assert self.story is not None
        rest: dict[str, Any] = {"incident_id": "inc_1", "agent_id": about, "approval": None, "detail": {}}
        if about is None:
            return [{**rest, "findings": [], "diagnoses": [], "actions": []}] if outage and self.external else []
        (name,) = [agent.name for agent in self.story.agents if agent.agent_id == about]
        if name not in self.seen:
            return []
        found = [{"type": one, "metric": one, "deviation": None, "hard": True} for one in self.findings]
        actions = [{"action": one, "outcome": "healed", "at": "1"} for one in ("approve", *self.remedies)]
        diagnoses = [{"cause": "infinite_loop", "confidence": 0.85}]
        return [{**rest, "findings": found, "diagnoses": diagnoses, "actions": actions}]


async def told(path: Path, admin: Admin, *cases: Case) -> tuple[list[str], list[str], FleetStory]:
    """What was missing, and what was told."""
    lines: list[str] = []
    story = FleetStory(path.client, admin.ask, random.Random(1), lines.append, agents=3, rate=200.0, cases=cases)
    admin.story = story
    return await story.run(), lines, story


async def test_a_gateway_that_does_what_is_expected_passes(path: Path) -> None:
    admin = Admin(("tool_loop",))
    admin.states, admin.remedies = lambda name: (*TREATED, "HEALTHY"), ("reset_memory",)
    missing, lines, story = await told(path, admin, Case(FAULTS["tool"], 0.0))
    assert missing == []
    text = "\n".join(lines)
    assert "fleet-support-0  ILL" in text and "CURED: reset_memory takes effect" in text
    assert "this demo approves apr_1" in text and ("POST", "/approvals/apr_1/approve") in admin.asked
    assert "external_cause" in text and "everybody is well again" in text
    ill, *rest = story.rows()
    assert (ill.agent, ill.fault, ill.found) == ("fleet-support-0", "tool", "tool_loop")
    assert ill.states == " → ".join(("HEALTHY", *TREATED, "HEALTHY"))
    assert (ill.diagnosis, ill.remedy) == ("infinite_loop 85%", "healing approved, approve healed, reset_memory healed")
    assert ill.outcome == "stopped and healed"
    assert {row.outcome for row in rest} == {"worked on, undisturbed"}
    assert all(agent.behaviour == WELL for agent in story.agents)


async def test_a_remedy_that_does_not_help_leaves_the_agent_ill(path: Path) -> None:
    admin = Admin(("error_rate_spike",))
    admin.states, admin.remedies = lambda name: TREATED, ("throttle",)
    case = Case(FAULTS["error"], 0.0, resists=frozenset({"throttle"}))
    missing, lines, _ = await told(path, admin, case)
    assert missing == [] and not any("CURED" in line or "well again" in line for line in lines)


async def test_one_that_sees_nothing_does_not_pass(path: Path) -> None:
    admin = Admin(external=False)
    admin.pending = False
    cases = (Case(FAULTS["evasion"], 0.0), Case(FAULTS["injection"], 0.0, lasts=0.1))
    missing, lines, _ = await told(path, admin, *cases)
    assert missing == [
        "fleet-support-0: none of tool_loop was found",
        "fleet-support-0: it was not stopped",
        "fleet-operations-1: none of denied_burst, unsanctioned_call was found",
        "nothing was to be approved by a person",
        "the other name was not refused",
        "no incident says that the provider was the cause",
    ]
    (denied,) = [path for method, path in admin.asked if method == "PUT"]
    assert denied.endswith("/policy")
    assert any("its trouble has passed" in line for line in lines)


async def test_one_that_stops_the_wrong_agents_does_not_pass(path: Path) -> None:
    admin = Admin(("latency_spike",))
    admin.states = lambda name: ("DRAINING",)
    case = Case(FAULTS["latency"], 0.0, lasts=0.1)
    missing, _, story = await told(path, admin, case)
    assert missing == ["fleet-support-0: it was stopped", "fleet-support-0: it is DRAINING at the end"]
    admin.seen = {agent.name for agent in story.agents}
    await story._look()
    assert "fleet-operations-1 was well and was stopped" in story._missing()
    assert [row.outcome for row in story.rows()] == ["stopped, DRAINING", *["was stopped, though well"] * 2]


async def test_without_stub_models_or_a_gateway_that_learns_there_is_no_story(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.demo.fleet_story._WARM_SECONDS", 0.0)
    with pytest.raises(StoryFailure, match="of 3 agents became HEALTHY in time"):
        await told(path, Admin(), Case(FAULTS["tool"], 0.0))
    story = FleetStory(path.client, Admin().ask, random.Random(1), print, agents=3)
    story.agents[0].behaviour = replace(WELL, status=500)
    with pytest.raises(StoryFailure, match="not served"):
        await story.run()


async def test_a_real_gateway_finds_stops_and_heals_what_loops(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole story takes more than a minute; this is its beginning and its end."""
    monkeypatch.setattr("gateway.demo.fleet_story._WARM_ANSWERS", 40)
    lines: list[str] = []
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(tmp_path)}) as gateway:
        client = AdminClient(gateway.url, ADMIN_KEY)

        async def ask(method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
            return await asyncio.to_thread(client.ask, method, path, params=query, body=body)

        async with httpx.AsyncClient(base_url=gateway.url, timeout=60.0, trust_env=False) as http:
            story = FleetStory(
                http, ask, random.Random(7), lines.append, agents=5, rate=12.0, cases=(Case(FAULTS["tool"], 0.0),)
            )
            missing = await story.run()
            row, *others = story.rows()
        client.close()
    # A loop that nobody tried to hide is healed without a person.
    assert missing == ["nothing was to be approved by a person"], "\n".join(lines)
    assert (row.found, row.outcome) == ("tool_loop", "stopped and healed")
    assert row.diagnosis.startswith("infinite_loop") and row.remedy.endswith("healed")
    assert [other.outcome for other in others] == ["worked on, undisturbed"] * 4
