"""What a gateway says of simulated agents, read again and again, each piece of news told once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.demo.simulated_agent import SimulatedAgent
from gateway.model.lifecycle import BLOCKED

Ask = Callable[..., Awaitable[Any]]
"""The admin API: a method, a path, perhaps a query and a body; the answer's document. Raises what ends the trial."""

_OPEN = {"open": "true", "limit": 1000}
_SHARED = "external_cause"


async def approve_healing(ask: Ask, agents: Sequence[SimulatedAgent], reason: str) -> list[tuple[str, str]]:
    """Approve what waits for a person; the names of the agents that it is about, and the approvals' ids."""
    names = {agent.agent_id: agent.name for agent in agents}
    page = await ask("GET", "/approvals", {"status": "pending", "limit": 1000})
    ours = [one for one in page["items"] if one["kind"] == "healing" and one["agent_id"] in names]
    for one in ours:
        await ask("POST", f"/approvals/{one['approval_id']}/approve", None, {"reason": reason})
    return [(names[one["agent_id"]], one["approval_id"]) for one in ours]


class Watch:
    """`look` at these agents.

    Args:
        tell: prints one line.

    Attributes:
        states: by agent, the states it was in since it was watched, in order. found: the types of its findings.
        throttled: agents that ever were. waiting: those whose healing waits for a person. external: incidents that
            blame a provider.
    """

    def __init__(self, ask: Ask, agents: Sequence[SimulatedAgent], tell: Callable[[str], None]) -> None:
        self._ask = ask
        self._agents = agents
        self._tell = tell
        self._told: set[tuple[object, ...]] = set()
        self._old: set[str] | None = None
        self.states: dict[str, list[str]] = {agent.name: [] for agent in agents}
        self.found: dict[str, set[str]] = {agent.name: set() for agent in agents}
        self.external: set[str] = set()
        self.throttled: set[str] = set()
        self.waiting: set[str] = set()

    async def begin(self) -> None:
        """What was there before is no news."""
        page = await self._ask("GET", "/incidents", _OPEN)
        self._old = {incident["incident_id"] for incident in page["items"]}
        for agent in self._agents:
            life = await self._ask("GET", f"/lifecycle/{agent.agent_id}")
            self._told |= {(agent.name, "move", move["at"], move["state"]) for move in life["history"]}
            self.states[agent.name].append(life["state"])

    async def look(self) -> None:
        for agent in self._agents:
            if agent.agent_id:
                await self._look_at(agent)
        for incident in (await self._ask("GET", "/incidents", _OPEN))["items"]:
            if incident["agent_id"] is None and incident["incident_id"] not in (self._old or ()):
                self.external.add(incident["incident_id"])
                detail = incident["detail"]
                text = f"{_SHARED}: {detail.get('provider')} {detail.get('model')}"
                self._news("provider", "external", text, incident["incident_id"])

    def blocked(self, agent: SimulatedAgent) -> bool:
        """Whether it ever was."""
        return any(state in BLOCKED for state in self.states[agent.name])

    def state(self, agent: SimulatedAgent) -> str:
        return self.states[agent.name][-1] if self.states[agent.name] else ""

    async def _look_at(self, agent: SimulatedAgent) -> None:
        life = await self._ask("GET", f"/lifecycle/{agent.agent_id}")
        for move in life["history"]:
            if self._is_news(agent.name, "move", move["at"], move["state"]):
                self.states[agent.name].append(move["state"])
                self._tell(f"{agent.name}  {move['state']}  {move['cause']}")
        if self.state(agent) != life["state"]:
            self.states[agent.name].append(life["state"])
            self._tell(f"{agent.name}  {life['state']}")
        known = await self._ask("GET", f"/agents/{agent.agent_id}")
        if known["throttled"] and agent.name not in self.throttled:
            self.throttled.add(agent.name)
            self._tell(f"{agent.name}  throttled: one request at a time")
        page = await self._ask("GET", "/incidents", {"agent_id": agent.agent_id, "limit": 10})
        for incident in reversed(page["items"]):
            self._look_at_incident(agent.name, incident)

    def _look_at_incident(self, name: str, incident: dict[str, Any]) -> None:
        for finding in incident["findings"]:
            self.found[name].add(finding["type"])
            off = "" if finding["deviation"] is None else f", {finding['deviation']:+.1f} σ"
            hard = ", hard" if finding["hard"] else ""
            self._news(
                name, finding["type"], f"finding {finding['type']} ({finding['metric']}{off}{hard})", finding["metric"]
            )
        ranked = ", ".join(f"{one['cause']} {one['confidence']:.2f}" for one in incident["diagnoses"])
        if ranked:
            self._news(name, "diagnosis", f"diagnosis {ranked}", ranked)
        for action in incident["actions"]:
            text = f"{action['action']}: {action['outcome']}"
            self._news(name, "action", text, f"{action['at']} {text}")
        self.waiting.discard(name)
        if incident["approval"] == "pending":
            self.waiting.add(name)
            self._news(name, "approval", "healing waits for a person's approval: leuko approvals", "")

    def _news(self, name: str, kind: str, text: str, key: str) -> None:
        if self._is_news(name, kind, key):
            self._tell(f"{name}  {text}")

    def _is_news(self, *key: object) -> bool:
        if key in self._told:
            return False
        self._told.add(key)
        return True
