"""The client for threads."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.sdk import calls, intents
from gateway.sdk.calls import Answer, Ask, Call, Failure, Pause, Rule, Time
from gateway.sdk.client_base import Base, answer_of, failure_of
from gateway.sdk.intents import Execution
from gateway.sdk.shapes import CallToken, CreatedAgent, Decision, Intent

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class GatewayClient(Base):
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

    def plan_intent(
        self,
        goal: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        ttl_seconds: int | None = None,
        execution: Execution | None = None,
        principal: str | None = None,
        session: str | None = None,
    ) -> Intent:
        """Declare what the agent is about to do, and get the token that binds its calls to it.

        Args:
            steps: `{"tool", "server"?, "arguments"? (exactly these) or "constraints"?, "max_uses"?, "after"?, "id"?}`.
            ttl_seconds: how long the token is good; 15 minutes unless said.
            execution: `plan_only` has every call judged and none released.
            principal: on whose behalf.

        Raises:
            IntentDenied: a policy denies a step. ApprovalRequired: a person has to say first; then plan the same again.
        """
        return self._run(intents.plan(goal, steps, ttl_seconds, execution, principal, session))

    def get_intent(self, intent_id: str) -> dict[str, Any]:
        """How an intent of this agent stands: `status`, and `used` of each step."""
        return self._run(intents.get(intent_id))

    def delegate_intent(
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
        """A narrower intent, for another agent if it is named; it shares the counters of this one. Raises as
        plan_intent, and IntentError if nothing can be narrowed from it any more."""
        return self._run(intents.delegate(intent_id, agent_id, steps, goal, ttl_seconds, execution, session))

    def revoke_intent(self, intent_id: str) -> list[str]:
        """End an intent and all that was narrowed from it; the replicas that have not said that they refuse it."""
        return self._run(intents.revoke(intent_id))

    def introspect_intent(self, token: str) -> dict[str, Any]:
        """What a token says if it is good now, else only `{"active": False}` (RFC 7662). Takes call tokens, too."""
        return self._run(intents.introspect(token))

    def call_token(self, tool_call_id: str) -> CallToken:
        """What proves to a tool server that a call of the last minute was allowed, by the provider's id of the call."""
        return self._run(intents.call_token(tool_call_id))

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
            return answer_of(self._client().request(**self._request(ask)))
        except httpx.TransportError as error:
            return failure_of(error)

    def _client(self) -> "httpx.Client":
        import httpx

        with self._lock:
            if self._given is None and self._own is None:
                self._own = httpx.Client(trust_env=False)
            client: httpx.Client = self._given or self._own
            return client
