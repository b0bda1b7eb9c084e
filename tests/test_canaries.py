"""Secrets and texts that nobody but caller and provider should know, put wherever they can be put; then everything the
gateway wrote or said is searched for them: logs, spans, metrics, errors, audit record, admin API, files of Redis."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.collector import Collector, running_collector
from tests.support.gateway import ADMIN_KEY, SECRET, GatewayProcess, eventually, running_gateway
from tests.support.upstream import Conversation, Request, threaded

PROVIDER_KEY = "sk-canary-provider-0123456789abcdef"
CALLER_KEY = "sk-canary-caller-0123456789abcdefgh"
AGENT_KEY = "agk_c4n4ryAB_0123456789abcdefghijklmnopqrstuvABCDEF"
WRONG_ADMIN_KEY = "adk_c4n4ryAB_0123456789abcdefghijklmnopqrstuvABCDEF"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LXNpZ25hdHVyZQ"
TEXTS = ("canary-prompt", "canary-answer", "canary-argument", "canary-result", "canary-system")
SECRETS = (PROVIDER_KEY, CALLER_KEY, AGENT_KEY, WRONG_ADMIN_KEY, TOKEN, ADMIN_KEY, SECRET)

TOOL = {"type": "function", "function": {"name": "get_status", "parameters": {"type": "object"}}}
CONVERSATION = [
    {"role": "system", "content": "canary-system"},
    {"role": "user", "content": "canary-prompt"},
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "get_status", "arguments": '{"a":"canary-argument"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "canary-result"},
]
CALL = {"id": "c2", "type": "function", "function": {"name": "get_status", "arguments": '{"a":"canary-argument"}'}}


@dataclass
class World:
    gateway: GatewayProcess
    collector: Collector
    data: Path
    errors: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, **rest: object) -> httpx.Response:
        """Whatever comes back is kept if it is an error."""
        answer = httpx.request(method, self.gateway.url + path, timeout=20, **rest)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            self.errors.append(f"{answer.text}{answer.headers}")
        return answer

    def ask(self, model: str, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
        body = {"model": model, "messages": CONVERSATION, "tools": [TOOL], "stream": model.endswith("stream")}
        given = {"authorization": f"Bearer {CALLER_KEY}", **headers}
        trace = {"traceparent": f"00-{len(self.errors) + 1:032x}-00f067aa0ba902b7-01"}
        return self.send("POST", path, json=body, headers={**given, **trace})


async def script(request: Request, talk: Conversation) -> None:
    """Answers as the model's name says; providers quote what they were sent in their errors."""
    model = json.loads(request.body).get("model", "") if request.body.startswith(b"{") else ""
    message = {"role": "assistant", "content": "canary-answer", "tool_calls": [CALL]}
    if model == "quoting":
        return await talk.json({"error": {"message": f"Bad key {request.header('authorization')}"}}, 400)
    if model == "broken":
        return await talk.send(b"HTTP/1.1 200 canary-answer\r\nx: canary-answer\x00\r\n\r\n")
    if model == "unreadable":
        return await talk.json({"choices": [{"message": {"tool_calls": "canary-argument"}}]})
    if model == "cut-stream":
        await talk.start()
        await talk.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"canary-answer"}}]}\n\n')
        return talk.reset()
    await talk.json(
        {
            "id": "chatcmpl-1",
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        }
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("canaries")
    with running_collector(directory) as collector, threaded(script) as upstream:
        env = {
            "GATEWAY_DATA_DIR": str(directory / "data"),
            "LLM_UPSTREAM_URL": upstream.url,
            "LLM_UPSTREAM_API_KEY": PROVIDER_KEY,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
        }
        with running_gateway(env=env) as gateway:
            found = World(gateway, collector, directory / "data")
            _misuse(found)
            eventually(lambda: "gpt-canary-last" in collector.text)
            yield found


def _misuse(world: World) -> None:
    """Everything that can hold a secret holds one, in requests that work and in those that fail."""
    for model in ("gpt-4o", "quoting", "broken", "unreadable", "cut-stream"):
        try:
            world.ask(model)
        except httpx.HTTPError:
            continue
    world.ask("gpt-4o", **{"x-agent-key": AGENT_KEY})
    world.ask("gpt-4o", authorization=f"Bearer {AGENT_KEY}")
    world.ask("gpt-4o", authorization=f"Bearer {TOKEN}")
    world.ask("gpt-4o", authorization=f"Bearer {ADMIN_KEY}")
    world.ask("gpt-4o", **{"x-api-key": WRONG_ADMIN_KEY})
    world.ask("gpt-4o", path=f"/p/{CALLER_KEY}/v1/chat/completions")
    world.ask("gpt-4o", path=f"/v1/chat/completions?key={AGENT_KEY}&api_key={CALLER_KEY}")
    world.ask("gpt-4o", **{"x-other": f"note {WRONG_ADMIN_KEY}"})
    world.send("POST", "/v1/chat/completions", content=b'{"model": "canary-prompt", "model": 1}')
    world.send("POST", "/v1/chat/completions", content=b'{"model": canary-prompt')
    world.send("GET", f"/v1/files/{CALLER_KEY}", headers={"authorization": f"Bearer {CALLER_KEY}"})
    for path in ("/agents", "/agents/x", "/quarantine", "/keys", "/audit"):
        for key in (WRONG_ADMIN_KEY, TOKEN, "canary-prompt"):
            world.send("GET", f"/api/gateway{path}", headers={"x-admin-key": key})
    world.send(
        "POST", "/api/gateway/quarantine/canary-none", headers={"x-admin-key": ADMIN_KEY}, content=b"{canary-prompt"
    )
    world.send("POST", "/api/v1/ingest", headers={"authorization": f"Bearer {AGENT_KEY}"}, content=b"canary-prompt")
    world.ask("gpt-canary-last")


def found(text: str, wanted: tuple[str, ...]) -> list[str]:
    return [canary for canary in wanted if canary in text]


def test_no_canary_is_in_a_log_line_a_span_or_a_metric(world: World) -> None:
    metrics = world.send("GET", "/metrics", headers={"x-admin-key": ADMIN_KEY})
    assert metrics.status_code == 200
    told = {"logs": world.gateway.output, "collector": world.collector.text, "metrics": metrics.text}
    assert {where: found(text, SECRETS + TEXTS) for where, text in told.items()} == dict.fromkeys(told, [])


def test_no_secret_is_in_an_error(world: World) -> None:
    """A provider's own error passes as it is; the caller's key in it is the caller's."""
    ours = [error for error in world.errors if "Bad key" not in error]
    assert len(ours) > 15
    assert [(error, found(error, SECRETS)) for error in ours if found(error, SECRETS)] == []


def test_no_canary_is_in_the_audit_record(world: World) -> None:
    lines = [path.read_bytes().decode("latin-1") for path in (world.data / "audit").rglob("*") if path.is_file()]
    assert any("call:model" in line for line in lines)
    assert found("".join(lines), SECRETS + TEXTS) == []


def test_no_canary_is_in_what_operators_read(world: World) -> None:
    for path in ("/agents", "/stats", "/quarantine"):
        answer = world.gateway.admin(path)
        assert answer.status_code == 200 and found(answer.text, SECRETS + TEXTS) == []


def test_no_canary_is_in_redis_files(world: World) -> None:
    kept = [path for path in world.data.rglob("*") if path.is_file() and "audit" not in path.parts]
    assert any("aof" in path.name or "appendonly" in path.name for path in kept)
    text = "".join(path.read_bytes().decode("latin-1") for path in kept)
    assert found(text, SECRETS + TEXTS) == []
