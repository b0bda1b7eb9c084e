"""The whole loop with real parts: two replicas on one Redis, agents with real SDKs, models that follow a script, and
the simulated cloud behind `/mcp/cloud`, a second one behind `/mcp/vault`, and one behind `/mcp/guarded` that executes
only what comes with a call token.
"""

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx
import httpx2
import openai
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gateway.demo.cloud_tools import TOOLS
from gateway.sdk import CreatedAgent, GatewayClient, GatewayUnavailable, Intent
from gateway.sdk.verifier import CallVerifier
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

BOUND, GRANTED, EARLY, WEIGHED = "bound", "granted", "early", "weighed"
"""Teams: harmful calls need an intent, or a proposal of the model, or an intent that a person has to approve once its
agent has read a tool's result; the calls of the last are approved or added up."""

_HARMFUL = ("restart_service", "scale_fleet", "delete_database", "run_command")
POLICIES: list[dict[str, Any]] = [
    {
        "name": team,
        "match": {"teams": [team]},
        "default": "allow",
        "tools": {tool: {need: "required", "effect": "write"} for tool in _HARMFUL},
    }
    for team, need in ((BOUND, "intent"), (GRANTED, "grant"), (EARLY, "intent"))
]
POLICIES[-1]["intents"] = {"mint": "early"}
POLICIES.append(
    {
        "name": WEIGHED,
        "match": {"teams": [WEIGHED]},
        "default": "allow",
        "tools": {
            "restart_service": {"approval": "always"},
            "rollback_deploy": {
                "arguments": {"service": {"enum": ["cache"]}},
                "on_deny": {"hold": {"wait_seconds": 20}},
            },
            "scale_fleet": {"arguments": {"count": {"type": "integer", "sum_max": {"value": 5, "per": "day"}}}},
        },
    }
)

Arguments = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of something that was asked, at the model or at the tool.

    Attributes:
        calls: those that the model's answer holds: id, name, arguments.
        text: what was said instead of a call, or what the tool answered.
        code, rule: of the refusal.
        tries: how often it was asked until it was answered.
    """

    allowed: bool
    text: str
    calls: tuple[tuple[str, str, Arguments], ...] = ()
    status: int = 200
    code: str | None = None
    rule: str | None = None
    tries: int = 1


@dataclass
class Loop:
    """`gateways`: the replicas; where one is asked, `at` says which."""

    gateways: tuple[GatewayProcess, GatewayProcess]
    cloud: RunningCloud
    vault: RunningCloud
    guarded: RunningCloud
    admin: GatewayClient
    issuer: str

    def agent(self, team: str) -> CreatedAgent:
        return insisted(lambda: self.admin.create_agent(f"{team}-{secrets.token_hex(4)}", owner_team=team))

    def client(self, agent: CreatedAgent, at: int = 0) -> GatewayClient:
        return GatewayClient(self.gateways[at].url, api_key=agent.api_key)

    def plan(self, agent: CreatedAgent, *steps: Mapping[str, Any], **more: Any) -> Intent:
        with self.client(agent) as client:
            return insisted(lambda: client.plan_intent("bring the shop back", steps, **more))

    def findings(self, agent: CreatedAgent) -> list[tuple[str, str]]:
        """What was recorded of an agent that does not go together: the tool, and the finding."""
        entries = self.admin.logs(agent.agent_id)
        found = [one for one in entries if one["kind"] == "finding" and one["tool"]]  # and not what is made of it
        return [(one["tool"], one["metadata"]["finding"]) for one in found]

    def waiting(self, agent: CreatedAgent) -> list[str]:
        """What waits for a person's word about an agent."""
        items = self.gateways[0].admin("/approvals?status=pending").json()["items"]
        return [str(one["approval_id"]) for one in items if one["agent_id"] == agent.agent_id]

    def approve(self, approval_id: str) -> None:
        answer = self.gateways[1].ask("POST", f"/approvals/{approval_id}/approve", json={"reason": "go on"})
        assert answer.status_code == 200, answer.text

    # Two halves of the loop, one call at a time

    def propose(self, agent: CreatedAgent, *calls: tuple[str, Arguments], token: str = "", at: int = 0) -> Answered:
        """A model calls these in one turn; what the agent is given of it."""
        return said(lambda: self._propose(agent, calls, token, at))

    def _propose(self, agent: CreatedAgent, calls: Sequence[tuple[str, Arguments]], token: str, at: int) -> Answered:
        turn = {"calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
        headers = {"X-Intent-Token": token} if token else {}
        url = f"{self.gateways[at].url}/v1"
        with openai.OpenAI(base_url=url, api_key=agent.api_key, max_retries=0, default_headers=headers) as client:
            try:
                made: Any = client.chat.completions.create(
                    model="stub-script",
                    messages=[{"role": "user", "content": "Go on."}],
                    tools=chat_tools({name: {} for name, _ in calls}),
                    extra_body={"stub": {"turns": [turn]}},
                )
            except openai.APIStatusError as error:
                return Answered(False, error.message, status=error.status_code, code=error.code)
        choice = made.choices[0]
        told = [
            (call.id, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
        ]
        rules = [denied["rule"] for denied in (getattr(choice, "leuko", None) or {}).get("denied", ())]
        return Answered(bool(told), choice.message.content or "", tuple(told), rule=rules[0] if rules else None)

    def execute(
        self,
        agent: CreatedAgent,
        tool: str,
        arguments: Arguments,
        *,
        token: str = "",
        server: str = "cloud",
        in_body: bool = False,
        at: int = 0,
    ) -> Answered:
        """The agent calls a tool at an MCP server."""
        headers, body = mcp_call(agent, tool, arguments, token=token, in_body=in_body)
        url = f"{self.gateways[at].url}/mcp/{server}"
        return said(lambda: mcp_answer(httpx.post(url, headers=headers, json=body, timeout=20)))

    def enforce(
        self, agent: CreatedAgent, tool: str, arguments: Arguments, *, token: str = "", at: int = 0
    ) -> Answered:
        """The agent, or a tool server of its own, asks before the tool is run."""
        return said(lambda: self._enforce(agent, tool, arguments, token, at))

    def _enforce(self, agent: CreatedAgent, tool: str, arguments: Arguments, token: str, at: int) -> Answered:
        with self.client(agent, at) as client:
            try:
                told = client.enforce(tool, tool=tool, arguments=arguments, intent_token=token or None)
            except GatewayUnavailable as error:
                return Answered(False, error.detail, status=error.status or 503)
        return Answered(told.allowed, told.reason, rule=told.rule)

    # A plain agent, with the SDK of its provider and the client of the protocol

    async def converse(
        self,
        agent: CreatedAgent,
        turns: Sequence[Any],
        *,
        token: str = "",
        era: str = "legacy",
        at: int = 0,
    ) -> tuple[list[tuple[bool, str]], str]:
        """(failed and text of every tool's answer, what the model says in the end)."""
        url, more = self.gateways[at].url, {"x-intent-token": token} if token else {}
        headers = {"authorization": f"Bearer {agent.api_key}", **more}
        results, talk = list[tuple[bool, str]](), list[Any]([{"role": "user", "content": "Bring it back."}])
        async with (
            openai.AsyncOpenAI(
                base_url=f"{url}/v1", api_key=agent.api_key, max_retries=0, default_headers=more
            ) as model,
            httpx2.AsyncClient(headers=headers, timeout=20) as http,
            Client(streamable_http_client(f"{url}/mcp/cloud", http_client=http), mode=era) as tools,
        ):
            offered = chat_tools({tool.name: tool.input_schema for tool in (await tools.list_tools()).tools})
            while True:
                made: Any = await model.chat.completions.create(
                    model="stub-script", messages=talk, tools=offered, extra_body={"stub": {"turns": list(turns)}}
                )
                said = made.choices[0].message
                talk.append(said)
                if not said.tool_calls:
                    return results, said.content
                for call in said.tool_calls:
                    done = await tools.call_tool(call.function.name, json.loads(call.function.arguments))
                    text = "".join(part.text for part in done.content if part.type == "text")
                    results.append((bool(done.is_error), text))
                    talk.append({"role": "tool", "tool_call_id": call.id, "content": text})


def insisted(ask: Callable[[], T]) -> T:
    """As `said`, of the SDK: it repeats no question that may have been answered."""
    found: list[T] = []

    def answered() -> bool:
        with contextlib.suppress(GatewayUnavailable):
            found.append(ask())
        return bool(found)

    eventually(answered)
    return found[0]


def said(ask: Callable[[], Answered]) -> Answered:
    """The answer once there is one: while Redis is too slow, as on a busy machine, the gateway has none (503)."""
    found: list[Answered] = []

    def answered() -> bool:
        found.append(ask())
        return found[-1].status != 503

    eventually(answered)
    return replace(found[-1], tries=len(found))


def mcp_call(
    agent: CreatedAgent, tool: str, arguments: Arguments, *, token: str = "", in_body: bool = False
) -> tuple[dict[str, str], dict[str, Any]]:
    """Head and body of a `tools/call`."""
    headers = {"authorization": f"Bearer {agent.api_key}", "accept": "application/json, text/event-stream"}
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if token and in_body:
        params["_meta"] = {"io.leuko/intent": token}
    elif token:
        headers["x-intent-token"] = token
    return headers, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def mcp_answer(answer: httpx.Response) -> Answered:
    document = answer.json()
    if "error" in document:
        error = document["error"]
        return Answered(False, error["message"], status=answer.status_code, code=error["data"].get("reason"))
    result = document["result"]
    rules = [one["rule"] for one in result.get("_meta", {}).get("io.leuko/denied", ())]
    text = result["content"][0]["text"]
    return Answered(not result["isError"], text, status=answer.status_code, rule=rules[0] if rules else None)


def chat_tools(schemas: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """As a chat completion offers them."""
    return [
        {"type": "function", "function": {"name": name, "description": _about(name), "parameters": dict(schema)}}
        for name, schema in schemas.items()
    ]


def _about(name: str) -> str:
    return TOOLS[name].about if name in TOOLS else name


@contextmanager
def running_loop(redis: RedisServer) -> Iterator[Loop]:
    issuer = f"loop{secrets.token_hex(4)}"
    with running_cloud() as cloud, running_cloud() as vault, running_cloud() as guarded:
        env = {
            "GATEWAY_REDIS_URL": redis.url,
            "GATEWAY_REDIS_PREFIX": f"{issuer}:",
            "GATEWAY_POLICIES": json.dumps(POLICIES),
            "GATEWAY_MCP_SERVERS": json.dumps({"cloud": cloud.url, "vault": vault.url, "guarded": guarded.url}),
        }
        with (
            running_gateway("--stub", env=env) as one,
            running_gateway("--stub", env=env) as other,
            GatewayClient(one.url, admin_key=ADMIN_KEY) as admin,
        ):
            guarded.app = verifier(one.url, issuer, "guarded").asgi(guarded.app)
            yield Loop((one, other), cloud, vault, guarded, admin, issuer)


def verifier(gateway_url: str, issuer: str, audience: str = "tools") -> CallVerifier:
    """What a tool server has of the gateway: the address of its public keys, and two names."""
    return CallVerifier(f"{gateway_url}/.well-known/jwks.json", issuer=issuer, audience=audience)
