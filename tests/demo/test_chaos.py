"""Trials with simulated agents on a real path; what is made of them is scripted here, and real in the scenarios."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.demo.chaos import Chaos, ChaosFailure, Trial
from gateway.demo.chaos_faults import FAULTS
from gateway.demo.simulated_behaviour import WELL
from tests.support.path import Path, running_path

QUICK = {"agents": 3, "rate": 200.0, "seconds": 3.0, "run": "t"}
States = Callable[[Chaos, str], tuple[str, ...]]


@pytest.fixture
async def path(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    for name, value in {"_POLL_SECONDS": 0.02, "_DELAY_MS": 1.0, "_WARM_REQUESTS": 4}.items():
        monkeypatch.setattr(f"gateway.demo.chaos.{name}", value)
    async with running_path() as one:
        yield one


class Admin:
    """The admin API of a gateway in which agents go through `states` from the beginning of the fault on."""

    def __init__(self, states: States, findings: tuple[str, ...] = ()) -> None:
        self.states, self.findings = states, findings
        self.chaos: Chaos | None = None
        self.asked: list[tuple[str, str]] = []
        self.ill = False

    async def ask(self, method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        self.asked.append((method, path.rpartition("agt_")[0] or path))
        chaos = self.chaos
        assert chaos is not None
        self.ill = self.ill or chaos.ill[0].behaviour != WELL
        if path.startswith("/lifecycle/"):
            (name,) = [agent.name for agent in chaos.agents if agent.agent_id and path.endswith(agent.agent_id)]
            states = ("HEALTHY", *(self.states(chaos, name) if self.ill else ()))
            history = [{"state": one, "at": str(at), "cause": "why", "by": "gateway"} for at, one in enumerate(states)]
            return {"state": states[-1], "history": history}
        if path.startswith("/agents/") and method == "GET":
            return {"throttled": "denied_burst" in self.findings}
        if path == "/approvals":
            return {"items": [{"approval_id": "apr_1", "kind": "healing", "agent_id": chaos.ill[0].agent_id}]}
        if not path.startswith("/incidents"):
            return None
        return {"items": self._incidents((query or {}).get("agent_id"))}

    def _incidents(self, about: str | None) -> list[dict[str, Any]]:
        if not self.ill or self.chaos is None:
            return []
        if (about is None) != ("external" in self.findings):
            return []
        if about is not None and about not in {agent.agent_id for agent in self.chaos.ill}:
            return []
        found = [{"type": one, "metric": one, "deviation": None, "hard": True} for one in self.findings]
        rest: dict[str, Any] = {"diagnoses": [], "actions": [], "approval": None, "detail": {}}
        return [{"incident_id": "inc_1", "agent_id": about, "findings": found, **rest}]


async def tried(path: Path, fault: str, admin: Admin, **more: Any) -> tuple[list[str], list[str]]:
    """What was missing, and what was told."""
    told: list[str] = []
    trial = Trial(FAULTS[fault], **{**QUICK, **more})
    chaos = admin.chaos = Chaos(trial, path.client, admin.ask, random.Random(1), told.append)
    return await chaos.run(), told


def blocked(chaos: Chaos, name: str) -> tuple[str, ...]:
    return ("DRAINING", "QUARANTINED", "PROBATION", "HEALTHY") if name == chaos.ill[0].name else ()


async def test_a_gateway_that_does_what_is_expected_passes(path: Path) -> None:
    admin = Admin(blocked, ("tool_loop",))
    missing, told = await tried(path, "tool", admin, approve=True)
    assert missing == [] and any("tool_loop" in line for line in told)
    assert told[-1].endswith("HEALTHY → DRAINING → QUARANTINED → PROBATION → HEALTHY")
    assert ("POST", "/approvals/apr_1/approve") in admin.asked
    assert all(agent.behaviour == WELL for agent in admin.chaos.agents)  # type: ignore[union-attr]


async def test_one_that_sees_nothing_or_blocks_the_wrong_one_does_not(path: Path) -> None:
    missing, _ = await tried(path, "tool", Admin(lambda chaos, name: ()), seconds=0.1)
    assert [line.partition(": ")[2] for line in missing] == ["none of tool_loop was found", "it was not blocked"]
    all_blocked = Admin(lambda chaos, name: ("DRAINING",), ("tool_loop",))
    missing, _ = await tried(path, "tool", all_blocked, seconds=0.1, run="u")
    assert [line.partition(": ")[2] for line in missing] == ["it is well and was blocked"] * 2


async def test_what_goes_on_has_to_be_contained(path: Path) -> None:
    missing, _ = await tried(path, "token", Admin(lambda chaos, name: (), ("token_spike",)), seconds=0.1)
    assert [line.partition(": ")[2] for line in missing] == ["it was neither blocked nor throttled"]
    assert (await tried(path, "token", Admin(blocked, ("token_spike",)), run="u"))[0] == []


async def test_latency_must_not_block_and_what_is_denied_is_denied_for_the_trial_alone(path: Path) -> None:
    missing, _ = await tried(path, "latency", Admin(blocked, ("latency_spike",)), seconds=0.1)
    assert [line.partition(": ")[2] for line in missing] == ["it was blocked"]
    admin = Admin(lambda chaos, name: (), ("denied_burst",))
    assert (await tried(path, "injection", admin, run="u"))[0] == []
    changes = [method for method, asked in admin.asked if method != "GET"]
    assert changes == ["PUT", "DELETE"]


async def test_in_an_outage_the_provider_has_to_be_blamed(path: Path) -> None:
    missing, _ = await tried(path, "outage", Admin(lambda chaos, name: ()), seconds=0.1)
    assert missing == ["no incident says that the provider is the cause"]
    missing, told = await tried(path, "outage", Admin(lambda chaos, name: (), ("external",)), run="u")
    assert missing == [] and any("external_cause" in line for line in told)


async def test_who_comes_again_under_another_name_has_to_be_refused(path: Path) -> None:
    missing, told = await tried(
        path, "evasion", Admin(lambda chaos, name: blocked(chaos, name)[:2], ("tool_loop",)), seconds=0.3
    )
    assert missing == ["the other name was not refused"] and any("was served" in line for line in told)


async def test_without_stub_models_or_a_gateway_that_learns_there_is_no_trial(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.demo.chaos._WARM_SECONDS", 0.0)
    with pytest.raises(ChaosFailure, match="did not become HEALTHY"):
        admin = Admin(lambda chaos, name: ())
        admin.ask = lambda *given: _initializing()  # type: ignore[method-assign]
        await tried(path, "tool", admin)
    async with running_path() as other:
        chaos = Chaos(Trial(FAULTS["tool"], **QUICK), other.client, Admin(blocked).ask, random.Random(1), print)  # type: ignore[arg-type]
        chaos.agents[0].behaviour = replace(WELL, status=500)
        with pytest.raises(ChaosFailure, match=r"start the gateway with --stub\): ."):
            await chaos.run()


async def _initializing() -> Any:
    return {"state": "INITIALIZING", "history": []}
