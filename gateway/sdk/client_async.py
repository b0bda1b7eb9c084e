"""The client for coroutines."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from gateway.sdk import calls
from gateway.sdk.calls import Answer, Ask, Call, Failure, Pause
from gateway.sdk.client import GatewayClient
from gateway.sdk.client_base import Base, answer_of, failure_of

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    method: Callable[Concatenate[GatewayClient, P], T],
) -> Callable[Concatenate["AsyncGatewayClient", P], Coroutine[Any, Any, T]]:
    """The same call, awaited. All that a call of the other client does with itself is to have it run."""
    run: Callable[..., Any] = method

    @functools.wraps(method)
    async def call(self: "AsyncGatewayClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await run(self, *args, **kwargs)
        return result

    return call


class AsyncGatewayClient(Base):
    """Asks the gateway without blocking the event loop; belongs to one loop. Arguments as of GatewayClient."""

    create_agent = _awaited(GatewayClient.create_agent)
    set_policy = _awaited(GatewayClient.set_policy)
    enforce = _awaited(GatewayClient.enforce)
    log_action = _awaited(GatewayClient.log_action)
    logs = _awaited(GatewayClient.logs)
    plan_intent = _awaited(GatewayClient.plan_intent)
    get_intent = _awaited(GatewayClient.get_intent)
    delegate_intent = _awaited(GatewayClient.delegate_intent)
    revoke_intent = _awaited(GatewayClient.revoke_intent)
    introspect_intent = _awaited(GatewayClient.introspect_intent)
    call_token = _awaited(GatewayClient.call_token)

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
            return answer_of(await client.request(**self._request(ask)))
        except httpx.TransportError as error:
            return failure_of(error)
