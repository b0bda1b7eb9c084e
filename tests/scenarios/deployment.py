"""A gateway with one policy, the people who operate it, and the ways in which an agent's call comes to be judged."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
import yaml

from gateway.sdk import CreatedAgent, GatewayClient
from tests.scenarios.tools import for_chat, for_messages, for_responses
from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway
from tests.support.redis import RedisServer

HERE = Path(__file__).parent
Tools = dict[str, tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call. `text` is what the agent was told instead of it."""

    allowed: bool
    rule: str | None = None
    text: str = ""


@dataclass
class Deployment:
    """`admin` is the operators' client, `console` their plain HTTP."""

    gateway: GatewayProcess
    admin: GatewayClient
    console: httpx.Client

    def agent(self, team: str) -> CreatedAgent:
        return self.admin.create_agent(f"{team}-{secrets.token_hex(4)}", owner_team=team)

    def client(self, agent: CreatedAgent) -> GatewayClient:
        return GatewayClient(self.gateway.url, api_key=agent.api_key)

    def set_mode(self, mode: str | None, **more: Any) -> None:
        """Every replica decides by it once this returns."""
        answer = self.console.put("/mode", json={"mode": mode, "reason": "as the scenario goes", **more})
        assert answer.status_code == 200, answer.text

    def audited(self, agent: CreatedAgent, **filters: Any) -> list[dict[str, Any]]:
        return self.admin.logs(agent.agent_id, **filters)


@contextmanager
def deployed(redis: RedisServer, *policies: str, args: tuple[str, ...] = ()) -> Iterator[Deployment]:
    """With the stub models, and these policy files of this directory."""
    documents = [yaml.safe_load((HERE / name).read_text()) for name in policies]
    env = {
        "GATEWAY_REDIS_URL": redis.url,
        "GATEWAY_REDIS_PREFIX": f"scn{secrets.token_hex(4)}:",
        "GATEWAY_POLICIES": json.dumps(documents),
    }
    with (
        running_gateway("--stub", *args, env=env) as gateway,
        GatewayClient(gateway.url, admin_key=ADMIN_KEY) as admin,
        httpx.Client(base_url=f"{gateway.url}/api/gateway", headers={"x-admin-key": ADMIN_KEY}, timeout=20) as console,
    ):
        yield Deployment(gateway, admin, console)


# The ways


def by_enforce(world: Deployment, agent: CreatedAgent, tools: Tools, tool: str, arguments: dict[str, Any]) -> Outcome:
    """The agent asks before it runs a tool."""
    with world.client(agent) as client:
        said = client.enforce(tool, tool=tool, arguments=arguments)
        return Outcome(said.allowed, said.rule, said.reason)


def script(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What makes the model of the stub call the tool."""
    return {"stub": {"turns": [{"calls": [{"name": tool, "arguments": arguments}]}]}}


def by_chat(world: Deployment, agent: CreatedAgent, tools: Tools, tool: str, arguments: dict[str, Any]) -> Outcome:
    """A model calls the tool, in a chat completion."""
    with openai.OpenAI(base_url=f"{world.gateway.url}/v1", api_key=agent.api_key, max_retries=0) as client:
        made: Any = client.chat.completions.create(
            model="stub-script",
            messages=[{"role": "user", "content": "Go on."}],
            tools=for_chat(tools),
            extra_body=script(tool, arguments),
        )
    choice = made.choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
    return _outcome(
        calls, (tool, arguments), choice.finish_reason, ("tool_calls", "stop"), choice, choice.message.content
    )


def by_responses(world: Deployment, agent: CreatedAgent, tools: Tools, tool: str, arguments: dict[str, Any]) -> Outcome:
    """A model calls the tool, in a streamed response."""
    with openai.OpenAI(base_url=f"{world.gateway.url}/v1", api_key=agent.api_key, max_retries=0) as client:
        asked: Any = {"input": "Go on.", "tools": for_responses(tools), "extra_body": script(tool, arguments)}
        with client.responses.stream(model="stub-script", **asked) as stream:
            made: Any = stream.get_final_response()
    calls = [(item.name, json.loads(item.arguments)) for item in made.output if item.type == "function_call"]
    return _outcome(calls, (tool, arguments), made.status, ("completed", "completed"), made, made.output_text)


def by_messages(world: Deployment, agent: CreatedAgent, tools: Tools, tool: str, arguments: dict[str, Any]) -> Outcome:
    """A model calls the tool, in a streamed message."""
    with anthropic.Anthropic(base_url=world.gateway.url, api_key=agent.api_key, max_retries=0) as client:
        asked: Any = {"messages": [{"role": "user", "content": "Go on."}], "tools": for_messages(tools)}
        asked |= {"max_tokens": 100, "extra_body": script(tool, arguments)}
        told: Any = None
        with client.messages.stream(model="stub-script", **asked) as stream:
            for event in stream:
                told = event.delta if event.type == "message_delta" else told
            made: Any = stream.get_final_message()
    calls = [(block.name, block.input) for block in made.content if block.type == "tool_use"]
    text = "".join(block.text for block in made.content if block.type == "text")
    return _outcome(calls, (tool, arguments), made.stop_reason, ("tool_use", "end_turn"), told, text)


def _outcome(
    calls: list[Any], wanted: tuple[str, dict[str, Any]], end: str, ends: tuple[str, str], told: Any, text: str | None
) -> Outcome:
    """From what an SDK made of the answer."""
    if calls:
        assert calls == [wanted] and end == ends[0], "what leaves is what the model said"
        return Outcome(True)
    assert end == ends[1], "a refused turn ends as an ordinary one"
    extra = getattr(told, "leuko", None) or getattr(getattr(told, "message", None), "leuko", None) or {}
    rules = [denied["rule"] for denied in extra.get("denied", ())]
    return Outcome(False, rules[0] if rules else None, text or "")


Way = Callable[[Deployment, CreatedAgent, Tools, str, dict[str, Any]], Outcome]
WAYS: tuple[Way, ...] = (by_enforce, by_chat, by_responses, by_messages)
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
