"""forward, for MCP: asks the server with its own credential, or answers where nothing is left to ask."""

from collections.abc import Callable

from gateway.identity.credential import HEADERS as CREDENTIALS
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.phases.mcp.identify import SESSION
from gateway.phases.mcp.state import MCPState, state_of
from gateway.phases.timeouts import Timeouts
from gateway.upstream.headers import request_headers
from gateway.upstream.reply import Opener, Reply
from gateway.wire.mcp import LISTEN
from gateway.wire.strict_json import dumps

_LEFT_OUT = frozenset((*CREDENTIALS, b"cookie", b"origin", b"referer", b"content-encoding", SESSION))
"""Beside what is never passed on: what concerns the caller and the gateway only."""


class Own:
    """A `Reply` of the gateway itself."""

    def __init__(self, document: object) -> None:
        self.status = 200
        self.headers: Headers = [(b"content-type", b"application/json")]
        self._body = dumps(document)

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return await self.chunk()

    def hand_to(self, taker: Callable[[bytes], bool]) -> None:
        """Nothing arrives later."""

    def close(self) -> None:
        """Nothing is held."""


class ForwardMCP:
    """Opens the server's answer.

    Args:
        own_keys: the gateway's own secrets, which no server may see; may be replaced at any time.
        clock: monotonic seconds.
        outgoing: the last to see the headers before a server is asked; gives back those to send.
    """

    def __init__(
        self,
        client: Opener,
        timeouts: Timeouts,
        own_keys: tuple[bytes, ...],
        clock: Callable[[], float],
        *,
        propagate_trace: bool = True,
        outgoing: Callable[[Exchange, Headers], Headers] = lambda exchange, headers: headers,
    ) -> None:
        self._client = client
        self._timeouts = timeouts
        self.own_keys = own_keys
        self._clock = clock
        self._propagate_trace = propagate_trace
        self._outgoing = outgoing

    async def __call__(self, exchange: Exchange) -> Reply:
        state, request = state_of(exchange), exchange.request
        if state.body is not None and not state.forwarded:
            answers = list(state.answers.values())
            state.answers = {}
            return Own(answers if state.body.batch else answers[0])
        headers = self._outgoing(exchange, self._headers(exchange, state))
        exchange.standing = request.method == "GET" or state.method == LISTEN
        # An answer may take as long as the tool does; only a server that says nothing at all is given up.
        exchange.deadline = float("inf")
        exchange.wait_for("first_byte", self._timeouts.total, self._clock())
        body = exchange.body if request.method == "POST" else None
        exchange.forget_text()
        state.forget_text()
        exchange.dispatched = True
        server = state.server
        try:
            return await self._client.open(server.provider, request.method, server.path, b"", headers, body)
        except Refusal as refusal:
            raise _of_server(refusal) from None

    def _headers(self, exchange: Exchange, state: MCPState) -> Headers:
        incoming = [pair for pair in exchange.request.headers if pair[0] not in _LEFT_OUT]
        headers = request_headers(incoming, credential=None, judged=True, propagate_trace=self._propagate_trace)
        leaving = b"\n".join([value for _, value in headers])
        if any(key in leaving for key in self.own_keys):
            raise Refusal("invalid_api_key", "The request holds a key of this gateway, which no server may see.")
        if state.session is not None:
            headers.append((SESSION, state.session.encode("latin-1")))
        return headers + state.server.credential


def _of_server(refusal: Refusal) -> Refusal:
    """The same of an MCP server: what connects calls everything a provider."""
    return Refusal(refusal.code, refusal.message.replace("Provider", "MCP server", 1), status=refusal.status)
