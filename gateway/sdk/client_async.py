"""The client for coroutines."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from gateway.sdk import calls, intents
from gateway.sdk.calls import Answer, Ask, Call, Failure, Pause, Rule, Time
from gateway.sdk.client_base import Base, answer_of, failure_of
from gateway.sdk.intents import Execution
from gateway.sdk.shapes import CallToken, CreatedAgent, Decision, Intent

T = TypeVar("T")


class AsyncGatewayClient(Base):
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

    async def plan_intent(
        self,
        goal: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        ttl_seconds: int | None = None,
        execution: Execution | None = None,
        principal: str | None = None,
        session: str | None = None,
    ) -> Intent:
        """As GatewayClient.plan_intent."""
        return await self._run(intents.plan(goal, steps, ttl_seconds, execution, principal, session))

    async def get_intent(self, intent_id: str) -> dict[str, Any]:
        """As GatewayClient.get_intent."""
        return await self._run(intents.get(intent_id))

    async def delegate_intent(
        self,
        intent_id: str,
        *,
        agent_id: str | None = None,
        steps: Sequence[Mapping[str, Any]] | None = None,
        goal: str | None = None,
        ttl_seconds: int | None = None,
        execution: Execution | None = None,
        session: str | None = None,
    ) -> Intent:
        """As GatewayClient.delegate_intent."""
        return await self._run(intents.delegate(intent_id, agent_id, steps, goal, ttl_seconds, execution, session))

    async def revoke_intent(self, intent_id: str) -> list[str]:
        """As GatewayClient.revoke_intent."""
        return await self._run(intents.revoke(intent_id))

    async def introspect_intent(self, token: str) -> dict[str, Any]:
        """As GatewayClient.introspect_intent."""
        return await self._run(intents.introspect(token))

    async def call_token(self, tool_call_id: str) -> CallToken:
        """As GatewayClient.call_token."""
        return await self._run(intents.call_token(tool_call_id))

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
