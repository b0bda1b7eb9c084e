"""admit, for MCP: reads what was posted, then the gates decide what of it may go on."""

import re
from collections.abc import Sequence

from gateway.model.exchange import Exchange
from gateway.phases.admit import Gate, hold
from gateway.phases.caller import Caller
from gateway.phases.mcp.state import AskedCall, MCPState, state_of
from gateway.phases.presenting import HEADER
from gateway.upstream.decode import decode
from gateway.wire.interdiction import HoldBudget
from gateway.wire.mcp import INTENT_KEY, INVALID_REQUEST, MCPRefusal
from gateway.wire.mcp_agreement import check_agreement
from gateway.wire.mcp_messages import Body, call_of, read_body

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([^\s;,\"']*)", re.IGNORECASE)


class AdmitMCP:
    """Sets `body`, `calls` and `intent` of `exchange.mcp`, then asks the gates in order.

    Args:
        bodies: bytes of bodies that the process may hold together, until their servers answer.
        limit: bytes of a body, as sent and once decoded.
    """

    def __init__(self, bodies: HoldBudget, *, limit: int, gates: Sequence[Gate] = ()) -> None:
        self._bodies = bodies
        self._limit = limit
        self._gates = tuple(gates)

    async def __call__(self, exchange: Exchange, caller: Caller) -> None:
        if exchange.request.method == "POST":
            state_of(exchange).caller = caller
            await self._read(exchange, caller, state_of(exchange))
        for gate in self._gates:
            waiting = gate(exchange)
            if waiting is not None:
                await waiting

    def release(self, exchange: Exchange) -> None:
        """The body of this request is sent, or will never be. Idempotent."""
        self._bodies.give(exchange.body_bytes)
        exchange.body_bytes = 0

    async def _read(self, exchange: Exchange, caller: Caller, state: MCPState) -> None:
        fields = exchange.request.fields
        hold(self._bodies, exchange, min(int(fields.get(b"content-length", b"0")), self._limit))
        _check_type(fields.get(b"content-type", b""))
        received = await caller.body(self._limit)
        encoding = exchange.request.header(b"content-encoding")
        plain = received if encoding is None else decode(received, encoding, limit=self._limit)
        hold(self._bodies, exchange, len(received) + (0 if plain is received else len(plain)))
        exchange.body = exchange.plain = plain
        body = read_body(plain)
        state.body, state.forwarded = body, body.messages
        if state.refusal is not None:
            raise state.refusal
        check_agreement(state.era, fields, body)
        asking = [(message.id, message) for message in body.messages if message.is_call]
        state.calls = tuple(
            [
                AskedCall(id, message, call_of(message, index, state.server.name))
                for index, (id, message) in enumerate(asking)
                if id is not None  # it always has one: see `read_body`
            ]
        )
        state.released = list(state.calls)
        state.intent = _intent(fields.get(HEADER), body)


def _check_type(content_type: bytes) -> None:
    """Raise MCPRefusal for a body that its server might read as another than the one that is judged here, or that a
    page of any origin could have a browser send without asking."""
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise MCPRefusal(INVALID_REQUEST, "The Content-Type must be application/json.", status=415)
    for charset in _CHARSET.findall(content_type):
        if charset.lower() not in (b"utf-8", b"utf8"):
            raise MCPRefusal(INVALID_REQUEST, "The body must be in UTF-8.", status=415)


def _intent(header: bytes | None, body: Body) -> str | None:
    """The intent token of a request, in its head or its body. Raises MCPRefusal for two that differ."""
    found = set() if header is None else {header.decode("latin-1").strip()}
    for message in body.messages:
        if (token := message.meta.get(INTENT_KEY)) is not None:
            if type(token) is not str:
                raise MCPRefusal(INVALID_REQUEST, f"`_meta[{INTENT_KEY!r}]` must be text.")
            found.add(token)
    if len(found) > 1:
        raise MCPRefusal(INVALID_REQUEST, "Two different intent tokens; send one.")
    return found.pop() if found else None
