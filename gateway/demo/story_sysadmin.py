"""A sysadmin's night: sense, plan, govern, act. One restart, executed once, because it was declared before.

The tool server verifies for itself that a call came through the gateway, so the way past it is closed as well.
"""

from collections.abc import Mapping
from typing import Any

from gateway.demo.scripted_agent import ScriptedAgent
from gateway.demo.walkthrough import Stage

_POLICY = """
name: sysadmin
match: {agents: [sysadmin]}
default: deny
immune: {mode: warn}                      # what is refused here is the story, and no illness
tools:
  get_alerts: {grant: required}           # executed only if the model proposed it
  read_logs: {grant: required}
  get_service_status: {grant: required}
  restart_service:
    effect: write
    intent: required                      # executed only if it was declared before
    arguments: {service: {enum: [web-server, api-gateway, cache]}}
"""

_SERVICE = {"service": "api-gateway"}
_RESTART = ("restart_service", _SERVICE)


def sysadmin(stage: Stage) -> None:
    """An alert, a plan, an intent token, one restart; and every way around it."""
    agent_id, key = stage.agent("sysadmin")
    stage.policy(_POLICY)
    agent = ScriptedAgent(stage, key)
    _sense(stage, agent)
    token = _plan(stage, agent)
    _govern(stage, agent, token)
    _act(stage, agent)
    _audit(stage, agent_id)


def _sense(stage: Stage, agent: ScriptedAgent) -> None:
    stage.act("SENSE: what is wrong?")
    logs = ("read_logs", {"service": "api-gateway", "lines": 4})
    seen = agent.work("Something is wrong with the shop.", ("get_alerts", {}), logs, "The api-gateway fails.")
    stage.check("read the alerts", "executed", seen[0].word if seen else "nothing")
    found = len(seen) > 1 and "api-gateway" in seen[0].text and "502" in seen[1].text
    stage.check("find what is ill", "api-gateway fails", "api-gateway fails" if found else "nothing found")


def _plan(stage: Stage, agent: ScriptedAgent) -> str:
    """The token of the plan."""
    stage.act("PLAN: what is to be done, before anybody does it")
    delete = {"tool": "delete_database", "server": "cloud", "arguments": {"name": "orders"}}
    restart = {"tool": "restart_service", "server": "cloud", "arguments": _SERVICE}
    stage.check("plan to delete a database", "403, no token", _declared(stage, agent, delete)[0])
    seen, token = _declared(stage, agent, restart)
    stage.check("plan to restart api-gateway", "201, an intent token", seen)
    return token


def _declared(stage: Stage, agent: ScriptedAgent, step: Mapping[str, Any]) -> tuple[str, str]:
    answer = stage.post("/api/v1/intents", {"goal": "bring the shop back", "steps": [step]}, agent.headers)
    token = answer.json().get("token", "")
    return f"{answer.status_code}, {'an intent token' if token else 'no token'}", token


def _govern(stage: Stage, agent: ScriptedAgent, token: str) -> None:
    stage.act("GOVERN: what nobody declared is not done")
    past = agent.call(*_RESTART, url=stage.cloud_url)
    stage.check("restart past the gateway, at the tool server", "403 intent_required", f"{past.status} {past.code}")
    stage.check("restart at the gateway without the token", "refused: intent_required", agent.call(*_RESTART).word)
    asked = agent.work("Restart it!", _RESTART)
    stage.check("have the model call it without the token", "refused: intent_required", asked[-1].word)
    agent.intent = token
    other = agent.call("restart_service", {"service": "cache"})
    stage.check("restart another service with the token", "refused: arguments_mismatch", other.word)
    stage.check("restarts so far", "0", str(stage.executed("restart_service")))


def _act(stage: Stage, agent: ScriptedAgent) -> None:
    stage.act("ACT: once")
    seen = agent.work("Bring it back.", _RESTART, "api-gateway is back.")
    stage.check("restart api-gateway with the token", "executed", seen[-1].word)
    stage.check("restart it again with the same token", "refused: uses_exhausted", agent.call(*_RESTART).word)
    service = stage.cloud.services["api-gateway"]
    health = "healthy" if service.healthy else "degraded"
    stage.check("what the cloud says", "healthy, restarts: 1", f"{health}, restarts: {service.restarts}")


def _audit(stage: Stage, agent_id: str) -> None:
    stage.act("AUDIT: what the record says")
    expected = "3 allowed (plan, proposal, execution), 4 refused"

    def recorded() -> str:
        entries = stage.ask("GET", "/audit", params={"agent_id": agent_id, "limit": 1000})["items"]
        ours = [one for one in entries if one["kind"] == "decision" and one["tool"] == "restart_service"]
        allowed = sum(one["allowed"] for one in ours)
        return f"{allowed} allowed (plan, proposal, execution), {len(ours) - allowed} refused"

    stage.check("decisions about restart_service", expected, stage.eventually(recorded, expected))
    valid = stage.ask("GET", "/audit/verify")["valid"]
    stage.check("verify the record", "valid", "valid" if valid else "not valid")
