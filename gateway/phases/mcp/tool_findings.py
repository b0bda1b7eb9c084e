"""Tells people what stands out about tools of MCP servers: in the audit record, and as an event. Never a verdict."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.model.audit import AuditEntry
from gateway.model.bounded import make_room
from gateway.model.exchange import Exchange
from gateway.phases.mcp.state import MCPState, state_of
from gateway.store.tool_pins import Pin
from gateway.wire.hidden_text import findings_in

_REMEMBERED = 1000
_MOST = 50
"""Tools that are named one by one when a server is used for the first time, or changes all it has."""

CHANGED = "changed_definition"
NEW = "new_tool"
HIDDEN = "hidden_text"
OTHERS_SHOWN = "other_definition_shown"


class ToolFindings:
    """Records findings.

    Args:
        record: takes an entry now or as soon as that is possible. notify: tells whoever watches the events.
        clock: seconds since the epoch.
        shown: takes secrets out of text that servers have chosen.
    """

    def __init__(
        self,
        record: Callable[[AuditEntry], object],
        notify: Callable[[str, dict[str, Any]], None],
        *,
        clock: Callable[[], float],
        shown: Callable[[str], str] = str,
    ) -> None:
        self._record = record
        self._notify = notify
        self._clock = clock
        self._shown = shown
        self._told: dict[tuple[str, str, str], None] = {}

    def listed(self, server: str, pins: Mapping[str, Pin], first: bool) -> None:
        """Tell what is not as it was in a server's list; `first`: it was never used before."""
        if first:
            self._notify("tools.pinned", {"server": server, "tools": len(pins)})
        told = 0
        for tool, pin in pins.items():
            finding = CHANGED if pin.state == "changed" else NEW if pin.state == "new" and pin.by is None else None
            if finding is None and not pin.findings:
                continue
            told += 1
            if told > _MOST:
                break
            if finding is not None:
                self._tell(server, tool, finding, {"definition": pin.seen})
            if pin.findings:
                self._tell(server, tool, HIDDEN, {"definition": pin.seen, "found": list(pin.findings)})

    def shown_otherwise(self, exchange: Exchange, tool: str) -> None:
        """Tell, once, that a caller would have been shown another definition than the gateway is."""
        server, agent = state_of(exchange).server.name, exchange.agent
        key = (server, tool, agent.agent_id if agent is not None else "")
        if key not in self._told:
            make_room(self._told, _REMEMBERED)
            self._told[key] = None
            self._tell(server, tool, OTHERS_SHOWN, {}, exchange)

    def look_at(self, exchange: Exchange) -> Callable[[dict[str, Any]], None]:
        """Sees the answers to an exchange's calls."""
        state: MCPState = exchange.mcp
        tools = {asked.id: asked.call.name for asked in state.calls}

        def see(answer: dict[str, Any]) -> None:
            tool, result = tools.get(answer.get("id")), answer.get("result")  # type: ignore[arg-type]
            if tool is not None and type(result) is dict and (found := findings_in(_texts(result))):
                self._tell(state.server.name, tool, HIDDEN, {"found": [f"result: {one}" for one in found]}, exchange)

        return see

    def _tell(
        self, server: str, tool: str, finding: str, metadata: Mapping[str, Any], exchange: Exchange | None = None
    ) -> None:
        agent = exchange.agent.agent_id if exchange is not None and exchange.agent is not None else None
        name = self._shown(tool)
        entry = AuditEntry(
            self._clock(),
            "finding",
            "list:tool" if exchange is None or finding == OTHERS_SHOWN else "call:tool",
            request_id=exchange.id if exchange is not None else None,
            agent_id=agent,
            resource=f"{server}/{name}",
            tool=name,
            reason=finding,
            metadata={"finding": finding, **metadata},
        )
        self._record(entry)
        self._notify(
            "tool.finding", {"server": server, "tool": name, "finding": finding, "agent_id": agent, **metadata}
        )


def _texts(result: dict[str, Any]) -> Iterator[str]:
    """Every text of a result; binary content is none."""
    content = result.get("content")
    rest: list[Any] = [result.get("structuredContent"), *(content if type(content) is list else ())]
    while rest:
        one = rest.pop()
        if type(one) is str:
            yield one
        elif type(one) is list:
            rest += one
        elif type(one) is dict:
            rest += [held for name, held in one.items() if name not in ("data", "blob")]
