"""What agents get for a tool call, by what was decided: every dialect, whole and streamed, read by the official SDKs.

The table of these outcomes stands in the README.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.clients.raw import KEY, WITHIN
from tests.support.gateway import GatewayProcess, eventually, running_gateway

SECRET = "payments-7731"
SAID = "Let me see."
POLICY = {
    "name": "ops",
    "allow": ["allowed:*"],
    "deny": ["refused:*"],
    "tools": {
        "failing_tool": {"arguments": {"path": {"path_in": ["/tmp/**"]}}, "on_deny": "error"},
        "approved_tool": {"approval": "always", "on_deny": {"hold": {"wait_seconds": 15}}},
        "rejected_tool": {"approval": "always", "on_deny": {"hold": {"wait_seconds": 15}}},
    },
}
TOOL_OF = {
    "allow": "allowed_tool",
    "refuse": "refused_tool",
    "error": "failing_tool",
    "hold-approve": "approved_tool",
    "hold-reject": "rejected_tool",
    "plan_only": "allowed_tool",
}
SHAPES = ("one call", "parallel", "n = 2", "text before")
TOOLS = sorted(set(TOOL_OF.values()))
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


@dataclass
class Got:
    """What an SDK made of an answer: by choice the text, the calls and how it ended; or the error it raised."""

    texts: dict[int, str] = field(default_factory=dict)
    calls: dict[int, list[tuple[str, Any]]] = field(default_factory=dict)
    ends: dict[int, str | None] = field(default_factory=dict)
    error: str = ""
    status: int | None = None
    everything: str = ""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("decided")), "GATEWAY_POLICIES": json.dumps([POLICY])}
    with running_gateway("--stub", env=env) as process:
        yield process


@pytest.fixture
def operator(gateway: GatewayProcess) -> Iterator[None]:
    """Somebody who approves what is called approved and rejects what is called rejected, as long as a test runs."""
    over = threading.Event()

    def decide() -> None:
        while not over.wait(0.02):
            for one in gateway.admin("/approvals?status=pending").json()["items"]:
                verb = "approve" if one["tool"].startswith("approved") else "reject"
                gateway.ask("POST", f"/approvals/{one['approval_id']}/{verb}", json={"reason": "seen"})

    thread = threading.Thread(target=decide)
    thread.start()
    yield
    over.set()
    thread.join(WITHIN)


def script(name: str, shape: str) -> list[dict[str, Any]]:
    calls = [{"name": name, "arguments": {"path": f"/etc/{SECRET}"}}]
    if shape == "parallel":
        calls.append({"name": "allowed_tool", "arguments": {"path": f"/etc/{SECRET}/2"}})
    return [{"text": SAID if shape == "text before" else "", "calls": calls}]


def chat(url: str, turns: Any, *, stream: bool, n: int, headers: dict[str, str]) -> Got:
    tools: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in TOOLS]
    got = Got()
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=WITHIN) as client:
        ask: Any = {
            "model": "stub-script",
            "messages": [{"role": "user", "content": "Go"}],
            "tools": tools,
            "n": n,
            "extra_body": {"stub": turns},
            "extra_headers": headers,
        }
        if not stream:
            whole = client.chat.completions.create(**ask)
            got.everything = whole.model_dump_json()
            for choice in whole.choices:
                made: list[Any] = choice.message.tool_calls or []
                got.texts[choice.index] = choice.message.content or ""
                got.calls[choice.index] = [(one.function.name, json.loads(one.function.arguments)) for one in made]
                got.ends[choice.index] = choice.finish_reason
            return got
        parts: dict[tuple[int, int], list[str]] = {}
        for chunk in client.chat.completions.create(**ask, stream=True):
            got.everything += chunk.model_dump_json()
            for choice in chunk.choices:
                got.texts[choice.index] = got.texts.get(choice.index, "") + (choice.delta.content or "")
                for one in choice.delta.tool_calls or []:
                    part = parts.setdefault((choice.index, one.index), ["", ""])
                    part[0] += (one.function and one.function.name) or ""
                    part[1] += (one.function and one.function.arguments) or ""
                got.ends[choice.index] = choice.finish_reason or got.ends.get(choice.index)
        for (index, _), (name, arguments) in sorted(parts.items()):
            got.calls.setdefault(index, []).append((name, json.loads(arguments)))
    return got


def responses(url: str, turns: Any, *, stream: bool, n: int, headers: dict[str, str]) -> Got:
    tools: Any = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in TOOLS]
    got = Got()
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=WITHIN) as client:
        ask: Any = {
            "model": "stub-script",
            "input": "Go",
            "tools": tools,
            "extra_body": {"stub": turns},
            "extra_headers": headers,
        }
        if stream:
            last = None
            for event in client.responses.create(**ask, stream=True):
                got.everything += event.model_dump_json()
                last = event
            response = last.response
        else:
            response = client.responses.create(**ask)
            got.everything = response.model_dump_json()
    if response.status == "failed":
        got.error = f"{response.error.code}: {response.error.message}"
    got.texts[0], got.ends[0] = response.output_text, response.status
    made = [item for item in response.output if item.type == "function_call"]
    got.calls[0] = [(item.name, json.loads(item.arguments)) for item in made]
    return got


def messages(url: str, turns: Any, *, stream: bool, n: int, headers: dict[str, str]) -> Got:
    got = Got()
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=WITHIN) as client:
        ask: Any = {
            "model": "stub-script",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Go"}],
            "tools": [{"name": name, "input_schema": SCHEMA} for name in TOOLS],
            "extra_body": {"stub": turns},
            "extra_headers": headers,
        }
        if stream:
            with client.messages.stream(**ask) as events:
                for event in events:
                    got.everything += event.model_dump_json()
                message = events.get_final_message()
        else:
            message = client.messages.create(**ask)
            got.everything = message.model_dump_json()
    got.texts[0] = "".join(block.text for block in message.content if block.type == "text")
    got.calls[0] = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    got.ends[0] = message.stop_reason
    return got


CLIENTS: dict[str, Callable[..., Got]] = {"chat": chat, "responses": responses, "messages": messages}
ENDS = {
    "chat": ("tool_calls", "stop"),
    "responses": ("completed", "completed"),
    "messages": ("tool_use", "end_turn"),
}
CASES = [
    pytest.param(dialect, shape, outcome, stream, id=f"{dialect}-{shape}-{outcome}-{'stream' if stream else 'whole'}")
    for dialect in CLIENTS
    for shape in SHAPES
    if shape != "n = 2" or dialect == "chat"
    for outcome in TOOL_OF
    for stream in (False, True)
]


@pytest.mark.parametrize(("dialect", "shape", "outcome", "stream"), CASES)
def test_every_client_gets_what_was_decided(
    gateway: GatewayProcess, operator: None, dialect: str, shape: str, outcome: str, stream: bool
) -> None:
    turns = script(TOOL_OF[outcome], shape)
    headers = {"x-gateway-execution": "plan_only"} if outcome == "plan_only" else {}
    choices = range(2 if shape == "n = 2" else 1)
    got = Got()
    try:
        got = CLIENTS[dialect](gateway.url, turns, stream=stream, n=len(choices), headers=headers)
    except (openai.APIError, anthropic.APIError) as error:
        got.error, got.status = f"{getattr(error, 'code', '')} {error}", getattr(error, "status_code", None)
    with_calls, ordinary = ENDS[dialect]
    planned = [(call["name"], call["arguments"]) for call in turns[0]["calls"]]
    if outcome in ("error", "hold-reject"):
        code = "tool_call_denied" if outcome == "error" else "approval_required"
        rule = "ops/tools/failing_tool/path" if outcome == "error" else "ops/tools/rejected_tool/approval"
        assert code in got.error or (dialect == "messages" and stream)
        assert rule in got.error
        assert stream or got.status == 403
        assert SECRET not in got.error + got.everything
        assert not any(got.calls.values())
        return
    assert got.error == ""
    for index in choices:
        said = SAID if shape == "text before" else ""
        if outcome in ("allow", "hold-approve"):
            assert (got.texts.get(index, ""), got.calls[index], got.ends[index]) == (said, planned, with_calls)
            continue
        assert (got.calls.get(index, []), got.ends[index]) == ([], ordinary)
        text = got.texts[index]
        if outcome == "plan_only":
            plan = [f"{at}. {name} {json.dumps(arguments, separators=(',', ':'))}" for at, (name, arguments) in
                    enumerate(planned, 1)]  # fmt: skip
            assert text.endswith("\n".join(["Plan (not executed):", *plan]))
        else:
            assert "The call to the tool refused_tool was refused by rule ops/deny/0" in text
            assert SECRET not in got.everything
        assert text.startswith(said)


def test_what_a_client_does_not_wait_for_is_not_held(gateway: GatewayProcess) -> None:
    """A caller that hangs up while a person is asked leaves nothing behind but the question."""
    turns = script("approved_tool", "one call")
    with (
        contextlib.suppress(openai.APITimeoutError),
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-hasty", max_retries=0, timeout=0.5) as client,
    ):
        client.chat.completions.create(
            model="stub-script", messages=[{"role": "user", "content": "Go"}], extra_body={"stub": turns}
        )
    assert [one["tool"] for one in gateway.admin("/approvals?status=pending").json()["items"]] == ["approved_tool"]
    eventually(lambda: _under_way(gateway) == ["0"])


def _under_way(gateway: GatewayProcess) -> list[str]:
    lines = gateway.admin("/metrics").text.splitlines()
    return [line.split()[-1] for line in lines if line.startswith("leuko_exchanges_active")]


def test_in_shadow_nothing_is_blocked_and_everything_is_told(tmp_path: Path) -> None:
    shadow = {"GATEWAY_POLICIES": json.dumps([POLICY]), "GATEWAY_ENFORCEMENT": "shadow"}
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(tmp_path), **shadow}) as gateway:
        for dialect, client in CLIENTS.items():
            for stream in (False, True):
                got = client(gateway.url, script("refused_tool", "one call"), stream=stream, n=1, headers={})
                assert (got.calls[0][0][0], got.ends[0]) == ("refused_tool", ENDS[dialect][0])
        lines = gateway.admin("/metrics").text.splitlines()
        told = [line for line in lines if line.startswith('leuko_policy_calls_total{decision="shadow"')]
        assert [line.split()[-1] for line in told] == ["6"]
        eventually(lambda: len(_shadowed(gateway)) == 6)
        assert all("ops/deny/0" in rules for rules in _shadowed(gateway))


def _shadowed(gateway: GatewayProcess) -> list[list[str]]:
    entries = gateway.admin("/audit?limit=100").json()["items"]
    return [[one["rule"] for one in entry["metadata"]["shadow"]] for entry in entries if "shadow" in entry["metadata"]]


@pytest.mark.parametrize("dialect", list(CLIENTS))
def test_text_arrives_before_anything_is_decided(gateway: GatewayProcess, dialect: str) -> None:
    """The client itself approves, once it has read what was said before the call."""
    said, approved = "", False
    for text in _texts(gateway.url, dialect):
        said += text
        if said == SAID and not approved:
            eventually(lambda: _pending(gateway, "approved_tool"))
            for one in _pending(gateway, "approved_tool"):
                gateway.ask("POST", f"/approvals/{one}/approve", json={"reason": "seen"})
            approved = True
    assert (said, approved) == (SAID, True)


def _pending(gateway: GatewayProcess, tool: str) -> list[str]:
    items = gateway.admin("/approvals?status=pending").json()["items"]
    return [one["approval_id"] for one in items if one["tool"] == tool and one["arguments"]["path"].endswith(SECRET)]


def _texts(url: str, dialect: str) -> Iterator[str]:
    """Each piece of text as the SDK gives it out; at the end the call must be there."""
    turns, names = script("approved_tool", "text before"), ""
    if dialect == "messages":
        with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=WITHIN) as claude:
            asked: Any = {"model": "stub-script", "max_tokens": 99, "messages": [{"role": "user", "content": "Go"}]}
            for event in claude.messages.create(**asked, stream=True, extra_body={"stub": turns}):
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text
                names += event.model_dump_json()
    else:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=WITHIN) as client:
            if dialect == "chat":
                messages: Any = [{"role": "user", "content": "Go"}]
                for chunk in client.chat.completions.create(
                    model="stub-script", messages=messages, stream=True, extra_body={"stub": turns}
                ):
                    yield from (choice.delta.content or "" for choice in chunk.choices)
                    names += chunk.model_dump_json()
            else:
                for one in client.responses.create(
                    model="stub-script", input="Go", stream=True, extra_body={"stub": turns}
                ):
                    if one.type == "response.output_text.delta":
                        yield one.delta
                    names += one.model_dump_json()
    assert "approved_tool" in names
