"""What a caller sees of a server's tools: those that it may call, as they are pinned."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from gateway.model.exchange import Exchange
from gateway.phases.mcp.catalog import Catalog
from gateway.phases.mcp.state import state_of
from gateway.phases.mcp.tool_findings import ToolFindings
from gateway.policy.engine import Rules
from gateway.policy.question import Facts, Question
from gateway.store.tool_definitions import read_tools, says_no_more
from gateway.store.tool_pins import ToolPins
from gateway.wire.mcp import RequestId


class ToolLists:
    """Cuts lists."""

    def __init__(self, catalog: Catalog, pins: ToolPins, findings: ToolFindings) -> None:
        self._catalog = catalog
        self._pins = pins
        self._findings = findings

    def cut(
        self, exchange: Exchange, rules: Rules, facts: Callable[[], Facts], ids: Collection[RequestId] | None
    ) -> Callable[[dict[str, Any]], Sequence[int]]:
        """Says of each message which items of `result.tools` the caller does not get.

        Args:
            ids: of the requests that ask for lists; None: any answer may be to one.
        """

        def places(message: dict[str, Any]) -> Sequence[int]:
            result = message.get("result")
            if type(result) is not dict or type(tools := result.get("tools")) is not list:
                return ()
            if ids is not None and message.get("id") not in ids:
                return ()
            now = facts()
            return [at for at, tool in enumerate(tools) if not self._is_shown(exchange, rules, now, tool)]

        return places

    def _is_shown(self, exchange: Exchange, rules: Rules, facts: Facts, tool: Any) -> bool:
        if type(tool) is not dict or type(name := tool.get("name")) is not str:
            return True  # nobody can call it
        server = state_of(exchange).server.name
        if not rules.shadow and not self._is_pinned(exchange, rules, name, tool):
            return False
        return rules.may_call(Question(name, None, server=server), facts)

    def _is_pinned(self, exchange: Exchange, rules: Rules, name: str, tool: dict[str, Any]) -> bool:
        server = state_of(exchange).server
        pin = (self._pins.of(server.name) or {}).get(name)
        if pin is None:
            self._catalog.doubt(server)  # it may be new
            return rules.new_tools is None
        if pin.state in ("changed", "seen") or (pin.state == "new" and rules.new_tools is not None):
            return False
        last = self._catalog.last(server)
        own = last.definitions.get(name) if last is not None else None
        if own is None or own.hash != pin.pinned:
            self._catalog.doubt(server)  # what was approved was not seen here
            return read_tools([tool])[name].hash == pin.pinned
        if says_no_more(tool, own.document):
            return True
        self._findings.shown_otherwise(exchange, name)
        self._catalog.doubt(server)
        return False
