"""`leuko immune replay`."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from gateway.commands.client import AdminClient
from gateway.commands.immune import policies_in_force
from gateway.commands.session import Output, Session
from tests.commands.conftest import Leuko, read, run
from tests.immune.tau2 import DATA
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def replayed(*args: str) -> dict[str, dict[str, int]]:
    found = read(run("immune", "replay", str(DATA), "-o", "json", *args))
    return {
        "findings": {row["type"]: row["count"] for row in found["findings"]},
        "moves": {row["step"]: row["count"] for row in found["moves"]},
    }


def test_recorded_runs_are_judged_with_the_settings_given(tmp_path: Path) -> None:
    usual = replayed()
    assert usual["moves"]["INITIALIZING to HEALTHY"] == 10 and "SUSPECTED to DRAINING" not in usual["moves"]
    strict = replayed("--set", "sigma_action=quarantine, metrics.latency.z=2", "--set", "latency_quarantines=true")
    assert strict["findings"]["latency_spike"] > usual["findings"]["latency_spike"]
    assert strict["moves"]["SUSPECTED to DRAINING"] >= 1
    policy = tmp_path / "calm.yaml"
    policy.write_text("name: calm\nimmune:\n  mode: warn\n  metrics: {latency: {z: 90, cusum: 90}}\n")
    calm = replayed("--policy", str(policy))
    assert "latency_spike" not in calm["findings"] and "throttle" not in calm["moves"]
    assert "latency_spike" in replayed("--policy", str(policy), "--set", "metrics.latency.z=2")["findings"]


def test_people_read_counts_and_how_many_in_a_thousand_calls() -> None:
    printed = run("immune", "replay", str(DATA)).stdout
    assert printed.startswith("5273 calls of 10 agents\n")
    assert "latency_spike" in printed and "PER_1000_CALLS" in printed and "HEALTHY to SUSPECTED" in printed
    events = read(run("immune", "replay", str(DATA), "-o", "json"))["events"]
    assert events[0].keys() == {"agent_id", "request_id", "time", "step", "cause"} and events[0]["time"].endswith("Z")


def test_what_cannot_be_set_is_named(tmp_path: Path) -> None:
    def refused(*args: str) -> str:
        found: Callable[..., Result] = run
        return found("immune", "replay", str(DATA), *args, code=2).output

    assert "did you mean sigma_action?" in refused("--set", "sigma_acton=throttle")
    assert "shadow, warn, enforce" in refused("--set", "mode=off")
    assert "NAME=VALUE" in refused("--set", "mode")
    assert "has a value already" in refused("--set", "mode=warn,mode.x=1")
    assert "not both" in refused("--since", "24h")
    bad = tmp_path / "bad.ndjson"
    bad.write_text("{}\n")
    assert "row 1: has no agent_id" in run("immune", "replay", str(bad), code=2).output


def test_without_files_the_exchanges_that_the_gateway_keeps_are_replayed(leuko: Leuko) -> None:
    found = read(leuko("immune", "replay", "--since", "24h", "-o", "json"))
    assert found["calls"] >= 2 and found["agents"] >= 2 and found["findings"] == []
    assert read(leuko("immune", "replay", "--since", "2030-01-01T00:00:00Z", "-o", "json"))["calls"] == 0


def test_there_what_the_gateways_policies_say_of_all_agents_counts(leuko: Leuko, gateway: GatewayProcess) -> None:
    for name, more in (("cli-all", {}), ("cli-some", {"match": {"teams": ["a"]}}), ("cli-quiet", {"immune": None})):
        document = {"name": name, "immune": {"metrics": {"latency": {"z": 50}}}, **more}
        document = {member: value for member, value in document.items() if value is not None}
        assert gateway.ask("PUT", f"/policies/{name}", json=document).status_code == 201
    session = Session(lambda: AdminClient(gateway.url, ADMIN_KEY), Output.JSON)
    found = {document["name"]: document["immune"] for document in policies_in_force(session)}
    session.close()
    assert found["cli-all"] == {"metrics": {"latency": {"z": 50}}} and not {"cli-some", "cli-quiet"} & found.keys()
    leuko("immune", "replay", "-o", "json")
    for name in ("cli-all", "cli-some", "cli-quiet"):
        leuko("policy", "delete", name)
