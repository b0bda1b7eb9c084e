"""admit: reads the body of a judged request into an `Ask`; the body of a relayed one stays a stream. Then the gates
decide whether it may go on."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.exchange import Exchange
from gateway.phases.caller import Caller
from gateway.upstream.decode import decode
from gateway.wire import DIALECTS
from gateway.wire.interdiction import HoldBudget
from gateway.wire.strict_json import check_case_variants, loads

Gate = Callable[[Exchange], Awaitable[None] | None]
"""Looks at an exchange whose request has been read; raises Refusal to stop it."""


def hold(bodies: HoldBudget, exchange: Exchange, size: int) -> None:
    """Count what is held of this request as `size` bytes, until its `release`. Raises Refusal `overloaded`."""
    if not bodies.take(size - exchange.body_bytes):
        raise Refusal("overloaded", "The gateway holds too many large requests at the moment.", retry_after=2)
    exchange.body_bytes = size


class Admit:
    """Sets `exchange.ask` and `exchange.body`, then asks the gates in order.

    Args:
        bodies: bytes of judged bodies that the process may hold together, until their providers answer.
        gates: asked about every exchange, relayed ones too.
        judged_limit: bytes of a judged body, as sent and once decoded.
        relayed_limit: bytes of a relayed body.
    """

    def __init__(
        self, bodies: HoldBudget, *, judged_limit: int, relayed_limit: int, gates: Sequence[Gate] = ()
    ) -> None:
        self._bodies = bodies
        self._gates = tuple(gates)
        self._judged_limit = judged_limit
        self._relayed_limit = relayed_limit

    async def __call__(self, exchange: Exchange, caller: Caller) -> None:
        await self._read(exchange, caller)
        for gate in self._gates:
            waiting = gate(exchange)
            if waiting is not None:
                await waiting

    async def _read(self, exchange: Exchange, caller: Caller) -> None:
        if exchange.route.dialect is None or not exchange.route.reads_request:
            exchange.body = self._relayed_body(exchange, caller)
            return
        hold(self._bodies, exchange, self._declared(exchange))
        body = await caller.body(self._judged_limit)
        exchange.body = body
        encoding = exchange.request.header(b"content-encoding")
        exchange.plain = body if encoding is None else decode(body, encoding, limit=self._judged_limit)
        exchange.plain_size = len(exchange.plain)
        hold(self._bodies, exchange, len(body) + (0 if exchange.plain is body else exchange.plain_size))
        document = loads(exchange.plain)
        if type(document) is not dict:
            raise UnreadableRequest(f"The body is a JSON {type(document).__name__}; it must be an object.")
        check_case_variants(document)
        exchange.ask = DIALECTS[exchange.route.dialect].read_request(document)

    def release(self, exchange: Exchange) -> None:
        """The bodies of this request are sent, or will never be. Idempotent."""
        self._bodies.give(exchange.body_bytes)
        exchange.body_bytes = 0

    def _declared(self, exchange: Exchange) -> int:
        return min(int(exchange.request.fields.get(b"content-length", b"0")), self._judged_limit)

    def _relayed_body(self, exchange: Exchange, caller: Caller) -> AsyncIterator[bytes] | None:
        fields = exchange.request.fields
        if b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0":
            return caller.chunks(self._relayed_limit)
        return None
