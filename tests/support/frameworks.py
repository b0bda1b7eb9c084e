"""What agent frameworks see when they talk to the stub models; beside `clients`, because importing them takes seconds.

Each function takes a `Server` and a credential.
"""

from typing import Any, Literal

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI

from tests.support.clients import QUESTION, SUNNY, WEATHER_SCHEMA, Server


def langchain_streams_text(server: Server, key: str) -> str:
    return "".join(str(chunk.content) for chunk in _langchain(server, key, "stub-echo").stream(QUESTION))


def langchain_loops_through_a_tool(server: Server, key: str, *, stream: bool = False) -> tuple[list[Any], str]:
    """(the calls as LangChain parsed them, the answer after their results)."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}
    model = _langchain(server, key, "stub-tool").bind_tools([tool])
    talk: list[Any] = [HumanMessage(QUESTION)]
    first: Any = _summed(model.stream(talk)) if stream else model.invoke(talk)
    talk += [first, *(ToolMessage(SUNNY, tool_call_id=call["id"]) for call in first.tool_calls)]
    return [(call["name"], call["args"]) for call in first.tool_calls], str(model.invoke(talk).content)


def _langchain(server: Server, key: str, model: str) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=server.openai, api_key=key, max_retries=0, timeout=20)  # type: ignore[arg-type]


def _summed(chunks: Any) -> Any:
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total


async def openai_agents_loop_through_a_tool(
    server: Server, key: str, api: Literal["chat", "responses"], *, stream: bool = False
) -> tuple[list[str], str]:
    """(the cities the tool was asked for, the run's final output)."""
    cities: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        cities.append(city)
        return SUNNY

    async with AsyncOpenAI(base_url=server.openai, api_key=key, max_retries=0, timeout=20) as client:
        shape = OpenAIChatCompletionsModel if api == "chat" else OpenAIResponsesModel
        model: Any = shape(model="stub-tool", openai_client=client)
        agent = Agent(
            name="forecaster",
            instructions="Say what the weather is.",
            model=model,
            tools=[get_weather],
            model_settings=ModelSettings(include_usage=True),
        )
        quiet = RunConfig(tracing_disabled=True)
        if not stream:
            return cities, (await Runner.run(agent, QUESTION, run_config=quiet, max_turns=4)).final_output
        run = Runner.run_streamed(agent, QUESTION, run_config=quiet, max_turns=4)
        async for _ in run.stream_events():
            pass
        return cities, run.final_output
