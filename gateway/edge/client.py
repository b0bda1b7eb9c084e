"""The caller's side of one exchange over ASGI, and the one place where a refusal becomes bytes."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from gateway.edge.asgi import Receive, Send
from gateway.edge.browser import no_page
from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.phases.caller import Direct
from gateway.wire import DIALECTS
from gateway.wire.openai_errors import error_body


class ASGICaller:
    """A `RefusableCaller` over ASGI: reads the request body, writes the answer, refuses.

    Args:
        own: headers that every answer carries: request id, agent id, degradation.
        cut: closes the connection without a proper end, so that a truncated answer is noticed.
        direct: writes without waiting, if the server can.
    """

    __slots__ = ("_cut", "_fields", "_own", "_receive", "_send", "_started", "direct")

    def __init__(
        self,
        receive: Receive,
        send: Send,
        fields: dict[bytes, bytes],
        own: Headers,
        cut: Callable[[], None],
        direct: Direct | None = None,
    ) -> None:
        self._receive = receive
        self._send = send
        self._fields = fields
        self._own = own
        self._cut = cut
        self.direct = direct
        self._started = False

    async def body(self, limit: int) -> bytes:
        self._check_length(limit)
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGone
        if not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            return whole if len(whole) <= limit else _too_large(limit)
        parts, size = [message.get("body", b"")], len(message.get("body", b""))
        async for chunk in self._rest():
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                _too_large(limit)
        return b"".join(parts)

    def chunks(self, limit: int) -> AsyncIterator[bytes]:
        self._check_length(limit)  # at once: no provider hears of a body that is never sent to it
        return self._bounded(limit)

    async def _bounded(self, limit: int) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._rest():
            size += len(chunk)
            if size > limit:
                _too_large(limit)
            if chunk:
                yield chunk

    async def start(self, status: int, headers: Headers) -> None:
        self._started = True
        fields = headers + self._own + no_page(headers)
        await self._send({"type": "http.response.start", "status": status, "headers": fields})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._started = True
        fields = headers + self._own + no_page(headers)
        if self.direct is not None and self.direct.answer(status, fields, body):
            return
        fields.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": fields})
        await self._send({"type": "http.response.body", "body": body})

    async def refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer with a refusal: whole before the answer began, in band after, and a visible cut where neither fits."""
        if self._started and exchange.in_band is not None:
            await self.write(exchange.in_band(refusal))
            await self.finish()
        elif self._started:
            self._cut()
        else:
            exchange.status = refusal.status
            await self.whole(refusal.status, refusal_headers(refusal), self._refusal_body(exchange, refusal))

    def _refusal_body(self, exchange: Exchange, refusal: Refusal) -> bytes:
        dialect = DIALECTS.get(exchange.route.dialect or "")
        return dialect.error_body(refusal) if dialect else error_body(refusal)

    async def _rest(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            more = message.get("more_body", False)
            yield message.get("body", b"")

    def _check_length(self, limit: int) -> None:
        length = self._fields.get(b"content-length")
        if length is not None and int(length) > limit:
            _too_large(limit)


def refusal_headers(refusal: Refusal) -> Headers:
    """The headers of a refusal: what SDKs read to decide whether to try again."""
    headers: Headers = [(b"content-type", b"application/json"), *refusal.headers]
    if not refusal.retry:
        headers.append((b"x-should-retry", b"false"))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % min(60, max(1, refusal.retry_after))))
    return headers


def _too_large(limit: int) -> Any:
    # The rest of the body is not read, so the connection cannot be used again.
    raise Refusal(
        "payload_too_large",
        f"The body is larger than {limit} bytes, the limit of this route.",
        headers=((b"connection", b"close"),),
    )
