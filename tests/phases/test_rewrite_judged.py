"""What policies take out of a request before a model sees it."""

import json
from typing import Any

from tests.support.judging import TOOL, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer

AWS = "AKIAIOSFODNN7EXAMPLE"


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


async def test_tools_that_an_agent_may_not_call_are_not_offered() -> None:
    policy = {"deny": ["restart:service"], "strip_tools": True}
    tools = [tool(TOOL), tool("get_status")]
    async with (
        ScriptedUpstream(json_answer({"choices": []})) as upstream,
        judged_path(engine(policy), upstream=upstream.url) as world,
    ):
        await world.ask(model="m", tools=tools)
        await world.ask(model="m", tools=tools[:1], tool_choice="auto")
    first, second = (request.json() for request in upstream.requests)
    assert first["tools"] == tools[1:]
    assert "tools" not in second and "tool_choice" not in second


async def test_a_tool_that_cannot_be_taken_out_refuses_the_request() -> None:
    policy = {"deny": ["restart:service"], "strip_tools": True}
    definition = {"name": TOOL, "input_schema": {"type": "object"}}
    addition = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}}
    ask = {"model": "m", "max_tokens": 5, "messages": [{"role": "system", "content": [addition]}]}
    async with (
        ScriptedUpstream(json_answer({})) as upstream,
        judged_path(engine(policy), upstream=upstream.url) as world,
    ):
        said = await world.path.client.post("/v1/messages", json=ask, headers={"authorization": "Bearer sk-1"})
    assert said.status_code == 403
    assert TOOL in said.json()["error"]["message"]
    assert upstream.requests == []


async def test_secrets_are_covered_before_a_model_reads_them() -> None:
    body = (
        b'{"model":"m", "messages" : [{"role":"user","content":"The key is %b, use it."}], "temperature":1.00}'
        % AWS.encode()
    )
    async with (
        ScriptedUpstream(json_answer({"choices": []})) as upstream,
        judged_path(engine({"secrets": "redact"}), upstream=upstream.url) as world,
    ):
        headers = {"authorization": "Bearer sk-1"}
        await world.path.client.post("/v1/chat/completions", content=body, headers=headers)
        plain = body.replace(AWS.encode(), b"none")
        await world.path.client.post("/v1/chat/completions", content=plain, headers=headers)
    sent = upstream.requests[0].body
    assert AWS.encode() not in sent
    content = json.loads(sent)["messages"][0]["content"]
    assert content.startswith("The key is [") and content.endswith("redacted], use it.")
    assert sent == body.replace(AWS.encode(), content[11:-9].encode())
    assert upstream.requests[1].body == plain
