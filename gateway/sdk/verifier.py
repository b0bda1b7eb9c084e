"""For tool servers: executes only calls that the gateway has let through, each once.

    from gateway.sdk.verifier import CallVerifier

    verifier = CallVerifier("https://gateway.example/.well-known/jwks.json", issuer="leuko", audience="files")
    call = verifier.check(token, "write_file", {"path": "/srv/a", "text": "…"})     # raises InvalidCall

    @verifier.guard()                          # a function; the token comes as `call_token`
    def write_file(path: str, text: str) -> None: ...

    server = MCPServer("files")                # of the `mcp` package, 2.x
    server.middleware.append(verifier.mcp_middleware())

    app = verifier.asgi(app)                   # any MCP server over HTTP

Everything is checked here, without the gateway: it is asked for its public keys alone, and those are kept.
"""

import base64
import functools
import hashlib
import inspect
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import rfc8785

from gateway.sdk.asgi import McpGate
from gateway.sdk.errors import GatewayUnavailable
from gateway.sdk.jws import InvalidCall, Keys, Token, public_keys
from gateway.sdk.mcp_server import Middleware, middleware
from gateway.sdk.replays import ReplayCache, Replays

if TYPE_CHECKING:
    import httpx

_TYP = "call+jwt"
_LONGEST_LIFE = 60
_FRESH = 300.0  # seconds for which keys are not asked for again
_PAUSE = 10.0  # seconds between two questions for keys, whatever tokens name
_STALE = 3600.0  # seconds after which keys that could not be renewed are not trusted any more
_LARGEST_SET = 64 * 1024

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be executed now, once.

    Attributes:
        agent_id: the agent that makes it. `intent` is the intent it belongs to, if any.
        decision_id: `dec_…`, by which operators find the decision in the gateway's audit record.
        token_id, call_id: the token's own id, and the model provider's id of the call.
        definition: hash of the tool's definition as the gateway knows it, if it does.
    """

    agent_id: str
    tool: str
    call_id: str
    token_id: str
    decision_id: str
    intent: str | None
    definition: str | None


class CallVerifier:
    """Verifies call tokens. May be shared by threads and by tasks.

    Args:
        jwks: the gateway's `/.well-known/jwks.json`: its URL, or what it says.
        issuer: `iss` of its tokens, exactly.
        audience: the name by which the gateway knows this server; `tools` for one that it has no name for.
        leeway: seconds by which clocks may differ.
        replays: where used tokens are remembered; None: in this process, up to 100,000 at a time.
        http_client: an own `httpx.Client`, for private certificate authorities and proxies.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        jwks: str | Mapping[str, Any],
        *,
        issuer: str,
        audience: str = "tools",
        leeway: float = 5.0,
        replays: Replays | None = None,
        http_client: "httpx.Client | None" = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - tokens carry the time of the day
    ) -> None:
        self._url = jwks if isinstance(jwks, str) else None
        self._keys: Keys = {} if isinstance(jwks, str) else public_keys(jwks)
        self._renewed = self._asked = float("-inf")
        self._renewing = threading.Lock()
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._replays = replays if replays is not None else ReplayCache()
        self._http = http_client
        self._clock = clock

    def check(
        self,
        token: str | bytes | None,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent_id: str | None = None,
        definition: str | None = None,
    ) -> Call:
        """The call, which is used up by this.

        Args:
            tool, arguments: as they are about to be executed.
            agent_id: who makes the call, where that is known otherwise.
            definition: hash of this server's own definition of the tool, if it is to be the one that the gateway knew.

        Raises InvalidCall, and GatewayUnavailable where keys are needed and cannot be had.
        """
        if token is None or not token:
            raise InvalidCall("intent_required", f"{tool} is executed only with a call token of the gateway")
        opened = Token(token, _TYP)
        now = self._clock()
        claims = opened.claims(self._keys_for(opened.kid, now))
        self._check_when(claims, now)
        call = self._call(claims)
        if agent_id is not None and call.agent_id != agent_id:
            raise InvalidCall("wrong_agent", "the token was made for another agent")
        if call.tool != tool or (definition is not None and call.definition != definition):
            raise InvalidCall("tool_not_in_intent", "the token was made for another tool, or another version of it")
        if claims.get("args_hash") != _hash(arguments):
            raise InvalidCall("arguments_mismatch", "the token was made for other arguments")
        if not self._replays.take(call.token_id, claims["exp"] + self._leeway, now):
            raise InvalidCall("uses_exhausted", "the token was used before, or that cannot be remembered now")
        return call

    def guard(
        self, tool: str | None = None, *, token: str | Callable[[], str | None] = "call_token"
    ) -> Callable[[F], F]:
        """Lets a function, or a coroutine function, run only for calls that were let through.

        Its arguments are those of the call: pass what was sent, and nothing that was not.

        Args:
            tool: None: the function's name.
            token: the keyword in which the token comes, which the function does not get, or what gives it.
        """

        def decorate(function: F) -> F:
            name, signature = tool if tool is not None else function.__name__, inspect.signature(function)

            def admit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                given = kwargs.pop(token, None) if isinstance(token, str) else token()
                self.check(given, name, _as_sent(signature, args, kwargs))

            if inspect.iscoroutinefunction(function):

                @functools.wraps(function)
                async def run_async(*args: Any, **kwargs: Any) -> Any:
                    await _off_the_loop(admit, args, kwargs)
                    return await function(*args, **kwargs)

                return run_async  # type: ignore[return-value]

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                admit(args, kwargs)
                return function(*args, **kwargs)

            return run  # type: ignore[return-value]

        return decorate

    def mcp_middleware(self, tools: Collection[str] | None = None) -> Middleware:
        """For `MCPServer.middleware` of the `mcp` package: `tools/call` of these tools, or of all, needs a token."""
        return middleware(self._check_off_the_loop, tools)

    def asgi(self, app: Any, tools: Collection[str] | None = None) -> McpGate:
        """Before an ASGI application that is an MCP server: `tools/call` of these tools, or of all, needs a token."""
        return McpGate(app, self._check_off_the_loop, tools)

    async def _check_off_the_loop(self, token: object, tool: str, arguments: Mapping[str, Any]) -> Call:
        return await _off_the_loop(self.check, token, tool, arguments)  # type: ignore[no-any-return]

    def _check_when(self, claims: Mapping[str, Any], now: float) -> None:
        issued, expires = claims.get("iat"), claims.get("exp")
        if type(issued) is not int or type(expires) is not int or not 0 < issued <= expires <= issued + _LONGEST_LIFE:
            raise InvalidCall("malformed", "the token does not say when it is valid")
        if now < issued - self._leeway:
            raise InvalidCall("not_yet_valid", "the token is not valid yet")
        if now >= expires + self._leeway:
            raise InvalidCall("expired", "the token has expired")

    def _call(self, claims: Mapping[str, Any]) -> Call:
        for name, wanted in (("iss", self._issuer), ("aud", self._audience)):
            if claims.get(name) != wanted:
                raise InvalidCall("malformed", f"the token's `{name}` is not {wanted}")
        actor = claims.get("act")
        return Call(
            agent_id=_text(actor if isinstance(actor, Mapping) else {}, "sub"),
            tool=_text(claims, "tool"),
            call_id=_text(claims, "call_id"),
            token_id=_text(claims, "jti"),
            decision_id=_text(claims, "dec"),
            intent=None if claims.get("intent") is None else _text(claims, "intent"),
            definition=None if claims.get("tdef") is None else _text(claims, "tdef"),
        )

    def _keys_for(self, kid: str, now: float) -> Keys:
        """The keys in force; asked for again when they are old, and when one is named that is not among them."""
        if self._url is None:
            return self._keys
        with self._renewing:
            due = now - self._renewed > _FRESH or kid not in self._keys
            if due and not 0 <= now - self._asked < _PAUSE:
                self._asked = now
                self._renew(self._url, now)
            if now - self._renewed > _STALE:
                raise GatewayUnavailable("the gateway's keys cannot be had, and the ones known here are too old")
            return self._keys

    def _renew(self, url: str, now: float) -> None:
        """A failure leaves what is known."""
        import httpx

        get = self._http.get if self._http is not None else functools.partial(httpx.get, trust_env=False)
        try:
            answer = get(url, timeout=5.0, follow_redirects=False)
            if (
                answer.status_code == 200
                and len(answer.content) <= _LARGEST_SET
                and (keys := public_keys(answer.json()))
            ):
                self._keys, self._renewed = keys, now
        except (httpx.HTTPError, ValueError):
            return


async def _off_the_loop(check: Callable[..., Any], *args: Any) -> Any:
    """Keys may have to be asked for, which must not hold up others."""
    import anyio.to_thread

    return await anyio.to_thread.run_sync(check, *args)


def _as_sent(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, without defaults: a call is known by what was sent."""
    sent: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            sent |= value
        else:
            sent[name] = list(value) if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL else value
    return sent


def _hash(arguments: Mapping[str, Any]) -> str:
    """SHA-256 of the RFC 8785 form in base64url; nothing that a token holds where there is none."""
    try:
        form = rfc8785.dumps(dict(arguments))
    except (ValueError, RecursionError):
        raise InvalidCall("arguments_mismatch", "the arguments have no RFC 8785 form") from None
    return base64.urlsafe_b64encode(hashlib.sha256(form).digest()).decode().rstrip("=")


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidCall("malformed", f"the token's `{name}` is no text")
    return found
