"""An SRE's assistant in NORMAL and EMERGENCY: the same call is another matter when the house is on fire."""

from dataclasses import dataclass, field
from typing import Any

from gateway.demo.scripted_agent import ScriptedAgent
from gateway.demo.walkthrough import Stage

_POLICY = """
name: sre
match: {agents: [sre]}
default: deny
immune: {mode: warn}                      # what is refused here is the story, and no illness
always_blocked: ["delete:database"]       # in every mode
modes:                                    # the first is the start mode; what it allows holds in all
  NORMAL: {allow: ["list:services", "get:service_status", "read:logs"]}
  EMERGENCY: {allow: ["restart:service", "scale:fleet"]}
tools:
  restart_service: {effect: write, arguments: {service: {enum: [web-server, api-gateway, cache]}}}
  scale_fleet: {effect: write, arguments: {count: {type: integer, minimum: 1, maximum: 20}}}
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One prompt, and the call that the model makes of it. rule: by which it is refused; empty: it is executed."""

    mode: str
    prompt: str
    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    rule: str = ""


SCENARIOS = (
    Scenario("NORMAL", "How is the web server?", "get_service_status", {"service": "web-server"}),
    Scenario("NORMAL", "Restart the web server.", "restart_service", {"service": "web-server"}, "sre/modes/NORMAL"),
    Scenario("NORMAL", "We need five instances.", "scale_fleet", {"count": 5}, "sre/modes/NORMAL"),
    Scenario("EMERGENCY", "What does the database log?", "read_logs", {"service": "database", "lines": 2}),
    Scenario("EMERGENCY", "Restart the web server.", "restart_service", {"service": "web-server"}),
    Scenario("EMERGENCY", "We need five instances.", "scale_fleet", {"count": 5}),
    Scenario("EMERGENCY", "Delete the users.", "delete_database", {"name": "users"}, "sre/always_blocked/0"),
    Scenario("EMERGENCY", "Switch all off.", "scale_fleet", {"count": -3}, "sre/tools/scale_fleet/count"),
    Scenario(
        "EMERGENCY", "Restart billing.", "restart_service", {"service": "billing"}, "sre/tools/restart_service/service"
    ),
    Scenario("EMERGENCY", "Reboot everything.", "reboot_everything", {}, "sre/default"),
)


def modes(stage: Stage) -> None:
    """Ten scenarios in two modes; then everything is as before."""
    _, key = stage.agent("sre")
    stage.policy(_POLICY)
    agent = ScriptedAgent(stage, key)
    now = ""
    for scenario in SCENARIOS:
        if scenario.mode != now:
            now = scenario.mode
            _switch(stage, now)
        _play(stage, agent, scenario)
    stage.act("Back to NORMAL")
    stage.ask("PUT", "/mode", body={"mode": None, "reason": "the fire is out"})
    again = agent.work("Restart the web server once more.", ("restart_service", {"service": "web-server"}))
    stage.check("NORMAL again: restart_service", "refused: sre/modes/NORMAL", again[-1].word)
    databases = ", ".join(stage.cloud.databases)
    stage.check("databases that are left", "users, orders", databases)


def _switch(stage: Stage, mode: str) -> None:
    stage.act(f"Mode {mode}")
    stage.ask("PUT", "/mode", body={"mode": mode, "reason": "as the walkthrough goes", "ttl_seconds": 600.0})


def _play(stage: Stage, agent: ScriptedAgent, scenario: Scenario) -> None:
    """The model calls it; then the agent tries to execute it even so, which has to come to the same."""
    before = stage.executed(scenario.tool)
    seen = agent.work(scenario.prompt, (scenario.tool, scenario.arguments), "Done.")
    if not seen[-1].done:
        agent.call(scenario.tool, scenario.arguments)
    times = stage.executed(scenario.tool) - before
    expected = f"refused: {scenario.rule}" if scenario.rule else "executed"
    word = seen[-1].word
    if times != (0 if scenario.rule else 1):
        word += f", executed {times} times"
    stage.check(f"{scenario.mode}: {scenario.prompt}", expected, word)
