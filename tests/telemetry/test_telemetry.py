"""Telemetry of a real gateway, told to a collector nobody here wrote, and read by Prometheus' own reader."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.collector import Collector, running_collector
from tests.support.gateway import ADMIN_KEY, SECRET, GatewayProcess, eventually, running_gateway
from tests.support.upstream import Conversation, Request, ScriptedUpstream, threaded

CANARIES = (
    ADMIN_KEY,
    SECRET,
    "sk-canary-0123456789abcdef",
    "sk-provider-0123456789abcdef",
    "canary-prompt",
    "canary-answer",
)
AUTHORIZATION = {"authorization": "Bearer sk-canary-0123456789abcdef"}


@dataclass
class World:
    gateway: GatewayProcess
    upstream: ScriptedUpstream
    collector: Collector

    def ask(self, model: str = "gpt-4o", **headers: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "canary-prompt"}]}
        return httpx.post(f"{self.gateway.url}/v1/chat/completions", json=body, headers={**AUTHORIZATION, **headers})

    def metrics(self) -> str:
        return httpx.get(f"{self.gateway.url}/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}).text


async def script(request: Request, talk: Conversation) -> None:
    if b"explode" in request.body:
        return await talk.send(b"HTTP/1.1 200 canary-answer\r\nx: \x00\r\n\r\n")
    message = {"role": "assistant", "content": "canary-answer"}
    await talk.json(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        }
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("telemetry")
    with running_collector(directory) as collector, threaded(script) as upstream:
        env = {
            "GATEWAY_DATA_DIR": str(directory / "data"),
            "LLM_UPSTREAM_URL": upstream.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
        }
        with running_gateway("--stub", env=env) as gateway:
            yield World(gateway, upstream, collector)


def test_a_trace_joins_the_callers_and_reaches_the_provider(world: World) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert world.ask(traceparent=f"00-{trace_id}-00f067aa0ba902b7-01").status_code == 200
    server, client = world.collector.wait_for_spans(trace_id, 2)
    assert (server.parent_id, client.parent_id) == ("00f067aa0ba902b7", server.id)
    assert (server.kind, client.kind) == ("SPAN_KIND_SERVER", "SPAN_KIND_CLIENT")
    assert world.upstream.requests[-1].header("traceparent") == f"00-{trace_id}-{client.id}-01"
    assert client.attributes["gen_ai.usage.input_tokens"] == "Int(11)"
    assert client.attributes["gen_ai.response.model"] == "Str(gpt-4o-2024-08-06)"


def test_a_refusal_is_a_trace_of_one_span(world: World) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    key = "agk_a1b2c3d4_0123456789abcdefghijklmnopqrstuvABCDEF"
    answer = world.ask(traceparent=f"00-{trace_id}-00f067aa0ba902b7-01", **{"x-agent-key": key})
    assert answer.status_code in (400, 401)
    (server,) = world.collector.wait_for_spans(trace_id, 1)
    assert server.attributes["leuko.decision"] == "Str(deny)" and server.events == ["leuko.decision"]


def test_the_collector_has_the_metrics_that_prometheus_reads(world: World) -> None:
    world.ask()
    for name in ("http.server.request.duration", "gen_ai.client.token.usage", "leuko.decisions", "leuko.redis.up"):
        eventually(lambda name=name: f"Name: {name}\n" in world.collector.text)
    found = {family.name: family for family in text_string_to_metric_families(world.metrics())}
    assert {"leuko_decisions", "gen_ai_client_token_usage", "leuko_redis_up"} <= found.keys()
    assert all(family.documentation for family in found.values())


def test_metrics_take_a_key(world: World) -> None:
    assert httpx.get(f"{world.gateway.url}/metrics").status_code == 401
    forged = httpx.get(f"{world.gateway.url}/metrics", headers={"host": "evil.example", "x-admin-key": ADMIN_KEY})
    assert forged.status_code == 421


def test_a_hundred_thousand_names_are_no_hundred_thousand_series(world: World) -> None:
    with httpx.Client(base_url=world.gateway.url, headers=AUTHORIZATION) as client:
        for number in range(300):
            body = {"model": f"bomb-{number}", "messages": []}
            client.post("/v1/chat/completions", json=body, headers={"x-agent-id": f"made-up-{number}"})
            client.request(f"M{number}", f"/v1/files/{number}")
    assert len(world.metrics().splitlines()) < 6_000
    assert world.metrics().count('agent="agt_') <= 3 * 50


def test_canaries_are_in_no_log_trace_or_metric(world: World) -> None:
    world.ask(model="sk-provider-0123456789abcdef")
    world.ask(model="explode", traceparent="00-1af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")
    httpx.get(f"{world.gateway.url}/v1/files/sk-canary-0123456789abcdef?key=sk-canary-0123456789abcdef")
    httpx.get(f"{world.gateway.url}/api/gateway/agents/{SECRET}", headers={"x-admin-key": ADMIN_KEY})
    world.collector.wait_for_spans("1af7651916cd43dd8448eb211c80319c", 1)
    told = {"metrics": world.metrics(), "logs": world.gateway.output, "collector": world.collector.text}
    assert not [(canary, where) for canary in CANARIES for where, text in told.items() if canary in text]


def test_workers_tell_of_each_other(tmp_path: Path) -> None:
    with running_gateway("--stub", "--workers", "2", env={"GATEWAY_DATA_DIR": str(tmp_path)}) as gateway:

        def workers() -> set[str]:
            answer = httpx.get(f"{gateway.url}/metrics", headers={"x-admin-key": ADMIN_KEY}, timeout=30)
            families = {family.name: family for family in text_string_to_metric_families(answer.text)}
            return {sample.labels["worker"] for sample in families["leuko_build"].samples}

        eventually(lambda: workers() == {"0", "1"})


def test_a_collector_that_hangs_keeps_no_gateway_from_serving_or_stopping(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            "GATEWAY_DATA_DIR": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_TRACES_SAMPLER": "always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_METRIC_EXPORT_INTERVAL": "10",
        }
        with running_gateway("--stub", env=env) as gateway:
            body = {"model": "stub-echo", "messages": []}
            url = f"{gateway.url}/v1/chat/completions"
            assert {httpx.post(url, json=body, headers=AUTHORIZATION).status_code for _ in range(20)} == {200}
            assert gateway.stop() == 0
