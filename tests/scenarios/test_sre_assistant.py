"""An SRE assistant in NORMAL and EMERGENCY: the same call is another matter when the house is on fire."""

from typing import Any

import openai
import pytest

from gateway.sdk import CreatedAgent, PolicyViolationError
from tests.scenarios import tools
from tests.scenarios.deployment import WAYS, Deployment, Way, each_way
from tests.support.gateway import eventually

POLICY, TEAM = "sre.yaml", "sre"

SCENARIOS: tuple[tuple[str, str, str, dict[str, Any], bool], ...] = (
    ("looking is always allowed", "NORMAL", "get_service_status", {"service": "web-server"}, True),
    ("looking goes on in an emergency", "EMERGENCY", "read_logs", {"service": "database", "lines": 50}, True),
    ("nothing is restarted in normal times", "NORMAL", "restart_service", {"service": "web-server"}, False),
    ("a service is restarted in an emergency", "EMERGENCY", "restart_service", {"service": "web-server"}, True),
    ("nothing is scaled in normal times", "NORMAL", "scale_fleet", {"count": 5}, False),
    ("the fleet is scaled in an emergency", "EMERGENCY", "scale_fleet", {"count": 5}, True),
    ("no database is deleted, not even in an emergency", "EMERGENCY", "delete_database", {"name": "users"}, False),
    ("a fleet of less than none is refused", "EMERGENCY", "scale_fleet", {"count": -3}, False),
    ("a tool that nobody knows is refused", "EMERGENCY", "reboot_everything", {}, False),
    ("a service that nobody knows is refused", "EMERGENCY", "restart_service", {"service": "billing"}, False),
)


@each_way
@pytest.mark.parametrize(("name", "mode", "tool", "arguments", "allowed"), SCENARIOS, ids=[one[0] for one in SCENARIOS])
def test_scenario(
    world: Deployment,
    agent: CreatedAgent,
    way: Way,
    name: str,
    mode: str,
    tool: str,
    arguments: dict[str, Any],
    allowed: bool,
) -> None:
    world.set_mode(mode)
    outcome = way(world, agent, tools.SRE, tool, arguments)
    assert outcome.allowed is allowed
    if not allowed:
        assert outcome.rule is not None and outcome.rule.startswith("sre/")
        assert outcome.text


@each_way
@pytest.mark.parametrize("tool", ["deleteDatabase", "Delete-Database", "delete_database", "DELETE_DATABASE"])
def test_no_other_way_of_writing_it_deletes_a_database(
    world: Deployment, agent: CreatedAgent, way: Way, tool: str
) -> None:
    world.set_mode("EMERGENCY")
    assert not way(world, agent, tools.SRE, tool, {"name": "users"}).allowed


@each_way
def test_a_mode_that_flips_in_a_conversation_counts_from_the_next_decision(
    world: Deployment, agent: CreatedAgent, way: Way
) -> None:
    for mode, allowed in (("NORMAL", False), ("EMERGENCY", True), ("NORMAL", False)):
        world.set_mode(mode)
        assert way(world, agent, tools.SRE, "restart_service", {"service": "cache"}).allowed is allowed


def test_one_conversation_goes_through_an_emergency_and_out_of_it(world: Deployment, agent: CreatedAgent) -> None:
    restart = {"calls": [{"name": "restart_service", "arguments": {"service": "cache"}}]}
    script = {"stub": {"turns": [{"calls": [{"name": "list_services"}]}, restart, restart]}}
    talk: list[Any] = [{"role": "user", "content": "The cache is slow."}]

    with openai.OpenAI(base_url=f"{world.gateway.url}/v1", api_key=agent.api_key, max_retries=0) as client:

        def turn() -> list[str]:
            """The tools that the model calls, whose results are in the talk then."""
            made: Any = client.chat.completions.create(
                model="stub-script", messages=talk, tools=tools.for_chat(tools.SRE), extra_body=script
            )
            said = made.choices[0].message
            talk.append(said)
            calls = said.tool_calls or []
            talk.extend({"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls)
            return [call.function.name for call in calls]

        world.set_mode("NORMAL")
        assert turn() == ["list_services"]
        assert turn() == [] and "only in EMERGENCY" in talk[-1].content
        talk.append({"role": "user", "content": "It is an emergency now."})
        world.set_mode("EMERGENCY")
        assert turn() == ["restart_service"]
        world.set_mode("NORMAL")
        assert turn() == [] and "only in EMERGENCY" in talk[-1].content


def test_an_emergency_ends_by_itself(world: Deployment, agent: CreatedAgent) -> None:
    with world.client(agent) as client:
        asked: dict[str, Any] = {"tool": "restart_service", "arguments": {"service": "cache"}}
        world.set_mode("EMERGENCY", ttl_seconds=1.0)
        assert client.enforce("restart:service", "cache", **asked)
        eventually(lambda: not client.enforce("restart:service", "cache", **asked))


def test_one_team_may_have_an_emergency_of_its_own(world: Deployment, agent: CreatedAgent) -> None:
    other = world.agent("sre")
    world.set_mode("NORMAL")
    world.set_mode("EMERGENCY", scope=f"agent:{other.agent_id}")
    asked: dict[str, Any] = {"tool": "restart_service", "arguments": {"service": "cache"}}
    with world.client(agent) as one, world.client(other) as two:
        assert not one.enforce("restart:service", "cache", **asked)
        assert two.enforce("restart:service", "cache", **asked)


def test_a_tool_server_raises_what_names_tool_mode_and_reason(world: Deployment, agent: CreatedAgent) -> None:
    world.set_mode("NORMAL")
    with world.client(agent) as client:
        said = client.enforce("restart:service", "cache", tool="restart_service", arguments={"service": "cache"})
    with pytest.raises(PolicyViolationError) as caught:
        said.raise_for_denial()
    assert (caught.value.tool_name, caught.value.mode) == ("restart_service", "NORMAL")
    assert caught.value.reason


def test_every_decision_stands_in_the_record(world: Deployment) -> None:
    agent = world.agent("sre")
    world.set_mode("EMERGENCY")
    for way in WAYS:
        way(world, agent, tools.SRE, "restart_service", {"service": "cache"})
        way(world, agent, tools.SRE, "delete_database", {"name": "users"})

    def decided() -> list[tuple[str, bool, str]]:
        entries = [entry for entry in world.audited(agent) if entry["kind"] == "decision" and entry["tool"]]
        return sorted((entry["tool"], entry["allowed"], entry["mode"]) for entry in entries)

    expected = [("delete_database", False, "EMERGENCY")] * len(WAYS)
    expected += [("restart_service", True, "EMERGENCY")] * len(WAYS)
    eventually(lambda: decided() == expected)
