"""The client, for threads (`GatewayClient`) and for coroutines (`AsyncGatewayClient`)."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from gateway.sdk import calls
from gateway.sdk.calls import Answer, Ask, Call, Failure, Pause, Rule, Time
from gateway.sdk.shapes import CreatedAgent, Decision

if TYPE_CHECKING:
    import httpx

_DEFAULT_URL = "http://127.0.0.1:4000"

T = TypeVar("T")


class _Base:
    """What both clients know."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        admin_key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 2,
        http_client: Any = None,
    ) -> None:
        url = (base_url or os.environ.get("GATEWAY_URL") or _DEFAULT_URL).rstrip("/").removesuffix("/v1")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url is {url[:200]!r}; allowed: http://HOST[:PORT] or https://HOST[:PORT]")
        self.base_url = url
        self._keys = {"agent": api_key, "admin": admin_key}
        self._timeout = timeout
        self._retries = max(0, retries)
        self._given = http_client
        self._own: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def _request(self, ask: Ask) -> dict[str, Any]:
        """Arguments of httpx. No redirect is followed: it would carry the key elsewhere."""
        key = self._keys[ask.key]
        if key is None:
            needed = "api_key" if ask.key == "agent" else "admin_key"
            raise ValueError(f"this call needs {needed}; give it to {type(self).__name__}")
        name, value = ("authorization", f"Bearer {key}") if ask.key == "agent" else ("x-admin-key", key)
        headers = {name: value} if ask.session is None else {name: value, "x-agent-session": ask.session}
        sent = {} if ask.json is None else {"json": ask.json}
        return {
            "method": ask.method,
            "url": self.base_url + ask.path,
            "headers": headers,
            "params": ask.params,
            "timeout": self._timeout,
            "follow_redirects": False,
            **sent,
        }

    def _as_admin(self) -> bool:
        return self._keys["admin"] is not None


class GatewayClient(_Base):
    """Asks the gateway, and waits. May be shared by threads.

    Args:
        base_url: where the gateway is; omitted, `GATEWAY_URL`, else `http://127.0.0.1:4000`. A trailing `/v1` is left
            out, so that `OPENAI_BASE_URL` can be given.
        api_key: the agent's key; for `create_agent` without an admin key, the ingest key.
        admin_key: for `create_agent`, `set_policy`, and `logs` of other agents.
        timeout: seconds that connecting, sending, and each wait for bytes may take.
        retries: how often a call is tried again where that cannot do anything twice.
        http_client: an own `httpx.Client` or `AsyncClient`, for private certificate authorities and proxies; it stays
            open. The clients' own takes no proxies and no `.netrc` from the environment.

    Raises:
        ValueError: `base_url` is no http or https URL.
    """

    def create_agent(self, name: str, *, owner_team: str | None = None, environment: str | None = None) -> CreatedAgent:
        """A new agent and its key. Raises InvalidRequest (409) if another has the name."""
        return self._run(calls.create_agent(name, owner_team, environment, as_admin=self._as_admin()))

    def set_policy(self, agent_id: str, *, allow: Sequence[Rule] = (), deny: Sequence[Rule] = ()) -> dict[str, Any]:
        """Replace what the agent may and may not do: actions such as `"read:*"`, or `{"action", "resource"}`."""
        return self._run(calls.set_policy(agent_id, allow, deny))

    def enforce(
        self,
        action: str,
        resource: str = "",
        *,
        context: Mapping[str, Any] | None = None,
        tool: str | None = None,
        arguments: Any = None,
        intent_token: str | None = None,
        session: str | None = None,
    ) -> Decision:
        """Whether the action may be done now. Raises GatewayUnavailable if nobody can say: then don't do it.

        Args:
            tool, arguments: the call it is about, if it is one; the arguments as an object, or the text of a tool that
                takes free text. They are judged, too.
            context: recorded with the decision.
            session: the conversation, as in `X-Agent-Session`, for what a policy counts in each.
        """
        return self._run(calls.enforce(action, resource, context, tool, arguments, intent_token, session))

    def log_action(
        self,
        action: str,
        resource: str,
        *,
        allowed: bool = True,
        result: str = "success",
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Report what was done; the id of the audit entry."""
        return self._run(calls.log_action(action, resource, allowed, result, context, metadata))

    def logs(
        self,
        agent_id: str | None = None,
        *,
        action: str | None = None,
        allowed: bool | None = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The latest audit entries first: of any agent (with the admin key), else what this agent reported."""
        return self._run(calls.logs(agent_id, action, allowed, start_time, end_time, limit))

    def close(self) -> None:
        """Close the connections; whoever asks again opens new ones."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()

    def __enter__(self) -> "GatewayClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self, call: Call[T]) -> T:
        steps, came = calls.steps(call, self._retries), None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as done:
                result: T = done.value
                return result
            came = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                came = self._send(step)

    def _send(self, ask: Ask) -> Answer | Failure:
        import httpx

        try:
            return _answer(self._client().request(**self._request(ask)))
        except httpx.TransportError as error:
            return _failure(error)

    def _client(self) -> "httpx.Client":
        import httpx

        with self._lock:
            if self._given is None and self._own is None:
                self._own = httpx.Client(trust_env=False)
            client: httpx.Client = self._given or self._own
            return client


class AsyncGatewayClient(_Base):
    """Asks the gateway without blocking the event loop; belongs to one loop. Arguments as of GatewayClient."""

    async def create_agent(
        self, name: str, *, owner_team: str | None = None, environment: str | None = None
    ) -> CreatedAgent:
        """As GatewayClient.create_agent."""
        return await self._run(calls.create_agent(name, owner_team, environment, as_admin=self._as_admin()))

    async def set_policy(
        self, agent_id: str, *, allow: Sequence[Rule] = (), deny: Sequence[Rule] = ()
    ) -> dict[str, Any]:
        """As GatewayClient.set_policy."""
        return await self._run(calls.set_policy(agent_id, allow, deny))

    async def enforce(
        self,
        action: str,
        resource: str = "",
        *,
        context: Mapping[str, Any] | None = None,
        tool: str | None = None,
        arguments: Any = None,
        intent_token: str | None = None,
        session: str | None = None,
    ) -> Decision:
        """As GatewayClient.enforce."""
        return await self._run(calls.enforce(action, resource, context, tool, arguments, intent_token, session))

    async def log_action(
        self,
        action: str,
        resource: str,
        *,
        allowed: bool = True,
        result: str = "success",
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """As GatewayClient.log_action."""
        return await self._run(calls.log_action(action, resource, allowed, result, context, metadata))

    async def logs(
        self,
        agent_id: str | None = None,
        *,
        action: str | None = None,
        allowed: bool | None = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """As GatewayClient.logs."""
        return await self._run(calls.logs(agent_id, action, allowed, start_time, end_time, limit))

    async def close(self) -> None:
        """Close the connections; whoever asks again opens new ones."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    async def __aenter__(self) -> "AsyncGatewayClient":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        import asyncio

        steps, came = calls.steps(call, self._retries), None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as done:
                result: T = done.value
                return result
            came = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                came = await self._send(step)

    async def _send(self, ask: Ask) -> Answer | Failure:
        import httpx

        if self._given is None and self._own is None:
            self._own = httpx.AsyncClient(trust_env=False)
        client: httpx.AsyncClient = self._given or self._own
        try:
            return _answer(await client.request(**self._request(ask)))
        except httpx.TransportError as error:
            return _failure(error)


def _answer(response: "httpx.Response") -> Answer:
    return Answer(response.status_code, response.content, response.headers.get("retry-after"))


def _failure(error: "httpx.TransportError") -> Failure:
    import httpx

    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Failure(f"{type(error).__name__}: {error}"[:300], sent=not unsent)
