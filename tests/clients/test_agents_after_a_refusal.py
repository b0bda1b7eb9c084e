"""Agents built on openai-agents and LangChain: a refused call ends the turn in words, and the agent goes on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI

from gateway.sdk import GatewayClient
from tests.scenarios.tools import SRE, for_chat
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway

POLICY = {
    "name": "sre",
    "allow": ["get:service_status"],
    "tools": {"restart_service": {"arguments": {"service": {"enum": ["cache"]}}}},
}
LOOK: dict[str, Any] = {"name": "get_service_status", "arguments": {"service": "web"}}
RESTART: dict[str, Any] = {"name": "restart_service", "arguments": {"service": "web"}}
REFUSED = "The call to the tool restart_service was refused by rule sre/tools/restart_service/service"

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_POLICIES": json.dumps([POLICY]), "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("after"))}
    with running_gateway("--stub", env=env) as process:
        yield process


@dataclass
class Caller:
    """One agent's key, and what the record says that it asked for."""

    gateway: GatewayProcess
    agent_id: str
    key: str

    @property
    def base(self) -> str:
        return f"{self.gateway.url}/v1"

    def asked(self) -> list[tuple[str, bool]]:
        with GatewayClient(self.gateway.url, admin_key=ADMIN_KEY) as admin:
            entries = [entry for entry in admin.logs(self.agent_id) if entry["kind"] == "decision"]
        return [(entry["tool"] or entry["action"], entry["allowed"]) for entry in reversed(entries)]


@pytest.fixture
def caller(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Caller:
    with GatewayClient(gateway.url, admin_key=ADMIN_KEY) as admin:
        made = admin.create_agent(request.node.name[:200])
    return Caller(gateway, made.agent_id, made.api_key)


def script(*turns: Any) -> dict[str, Any]:
    """What the model of the stub says, by the number of results so far."""
    return {"stub": {"turns": [{"calls": [turn]} if isinstance(turn, dict) else turn for turn in turns]}}


FIRST = script(LOOK, RESTART)
THEN = script("looked", LOOK, "All is well.")
MODEL = ("call:model", True)
EXPECTED = [
    *(MODEL, ("get_service_status", True), MODEL, ("restart_service", False)),
    *(MODEL, ("get_service_status", True), MODEL),
]


@both
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_openai_agents(caller: Caller, api: str, stream: bool) -> None:
    ran: list[str] = []

    @function_tool
    def get_service_status(service: str) -> str:
        """Health of one service."""
        ran.append(f"look at {service}")
        return "healthy"

    @function_tool
    def restart_service(service: str) -> str:
        """Restart one service."""
        ran.append(f"restart {service}")
        return "restarted"

    async with AsyncOpenAI(base_url=caller.base, api_key=caller.key, max_retries=0, timeout=20) as client:
        shape = OpenAIChatCompletionsModel if api == "chat" else OpenAIResponsesModel
        model: Any = shape(model="stub-script", openai_client=client)

        async def run(talk: Any, said: dict[str, Any]) -> Any:
            agent = Agent(
                name="sre",
                instructions="Keep it running.",
                model=model,
                tools=[get_service_status, restart_service],
                model_settings=ModelSettings(extra_body=said),
            )
            quiet = RunConfig(tracing_disabled=True)
            if not stream:
                return await Runner.run(agent, talk, run_config=quiet, max_turns=5)
            running = Runner.run_streamed(agent, talk, run_config=quiet, max_turns=5)
            async for _ in running.stream_events():
                pass
            return running

        first = await run("Restart web.", FIRST)
        assert REFUSED in first.final_output
        then = await run([*first.to_input_list(), {"role": "user", "content": "Look again, then."}], THEN)
        assert then.final_output == "All is well."
    assert ran == ["look at web", "look at web"], "nothing was restarted"
    eventually(lambda: caller.asked() == EXPECTED)


@both
def test_langchain(caller: Caller, stream: bool) -> None:
    ran: list[str] = []

    def loop(talk: list[Any], said: dict[str, Any]) -> str:
        """Ask, run what is called, bring the results, until there is no call."""
        model = ChatOpenAI(
            model="stub-script", base_url=caller.base, api_key=caller.key, max_retries=0, timeout=20, extra_body=said
        ).bind_tools(for_chat(SRE))  # type: ignore[arg-type]
        for _ in range(5):
            made: Any = _summed(model.stream(talk)) if stream else model.invoke(talk)
            talk.append(AIMessage(made.content, tool_calls=made.tool_calls))
            if not made.tool_calls:
                return str(made.content)
            for call in made.tool_calls:
                ran.append(call["name"])
                talk.append(ToolMessage("healthy", tool_call_id=call["id"]))
        raise AssertionError("it goes round in circles")

    talk: list[Any] = [HumanMessage("Restart web.")]
    assert REFUSED in loop(talk, FIRST)
    talk.append(HumanMessage("Look again, then."))
    assert loop(talk, THEN) == "All is well."
    assert ran == ["get_service_status", "get_service_status"]
    eventually(lambda: caller.asked() == EXPECTED)


def _summed(chunks: Any) -> Any:
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total
