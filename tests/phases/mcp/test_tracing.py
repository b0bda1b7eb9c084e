"""What a collector gets to know of MCP messages, and which trace their server is told of."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.collector import Collector, running_collector
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.mcp_client import agent_with_key
from tests.support.mcp_path import ACCEPT, call, request, result
from tests.support.upstream import Conversation, Request, ScriptedUpstream, threaded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AMBIENT = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@dataclass
class World:
    gateway: GatewayProcess
    upstream: ScriptedUpstream
    collector: Collector
    key: str

    def post(self, message: Any, **headers: str) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.key}", **ACCEPT, **headers}
        return httpx.post(f"{self.gateway.url}/mcp/files", json=message, headers=sent, timeout=20)

    def meta(self) -> dict[str, Any]:
        """What the server was last told beside the message."""
        return dict(json.loads(self.upstream.requests[-1].body)["params"].get("_meta", {}))

    def metrics(self) -> str:
        return httpx.get(f"{self.gateway.url}/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}).text


async def script(asked: Request, talk: Conversation) -> None:
    message = json.loads(asked.body)
    if message["method"] == "tools/list":
        await talk.json(result(message["id"], tools=[{"name": name, "inputSchema": {}} for name in ("add", "fail")]))
    elif message["params"].get("name") == "fail":
        await talk.json(result(message["id"], content=[], isError=True))
    elif message["method"] == "resources/read":
        await talk.json({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32002, "message": "none"}})
    else:
        await talk.json(result(message.get("id"), content=[]))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("tracing")
    (directory / "policies").mkdir()
    (directory / "policies" / "tools.yaml").write_text("name: tools\ndeny: [delete file]\n")
    with running_collector(directory) as collector, threaded(script) as upstream:
        env = {
            "GATEWAY_DATA_DIR": str(directory / "data"),
            "GATEWAY_POLICY_DIR": str(directory / "policies"),
            "GATEWAY_MCP_SERVERS": json.dumps({"files": f"{upstream.url}/mcp"}),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        with running_gateway(env=env) as gateway:
            yield World(gateway, upstream, collector, agent_with_key(gateway, "traced")[2])


def with_trace(message: dict[str, Any], trace: str = TRACE) -> dict[str, Any]:
    message["params"]["_meta"] = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "other": 1}
    return message


def test_a_call_hangs_below_its_caller_and_the_server_below_the_gateway(world: World) -> None:
    answer = world.post(with_trace(call("add", 3, a=1)), traceparent=f"00-{AMBIENT}-00f067aa0ba902b7-01")
    assert answer.status_code == 200
    server, client = world.collector.wait_for_spans(TRACE, 2)
    assert (server.name, server.kind) == ("tools/call add", "SPAN_KIND_SERVER")
    assert (client.name, client.kind) == ("tools/call add", "SPAN_KIND_CLIENT")
    assert (server.parent_id, client.parent_id) == ("00f067aa0ba902b7", server.id)
    onward = f"00-{TRACE}-{client.id}-01"
    assert world.meta() == {"traceparent": onward, "other": 1}
    assert world.upstream.requests[-1].header("traceparent") == onward
    for span in (server, client):
        assert span.attributes["mcp.method.name"] == "Str(tools/call)"
        assert span.attributes["gen_ai.operation.name"] == "Str(execute_tool)"
        assert span.attributes["jsonrpc.request.id"] == "Str(3)"
        assert "error.type" not in span.attributes
    assert server.attributes["http.route"] == "Str(/mcp/{server})"
    assert client.attributes["server.address"] == "Str(127.0.0.1)"
    assert not world.collector.spans(AMBIENT)


def test_a_trace_that_only_the_request_names_is_told_in_the_message_too(world: World) -> None:
    trace = "1af7651916cd43dd8448eb211c80319c"
    assert world.post(call("add", a=1), traceparent=f"00-{trace}-00f067aa0ba902b7-01").status_code == 200
    _, client = world.collector.wait_for_spans(trace, 2)
    assert world.meta() == {"traceparent": f"00-{trace}-{client.id}-01"}


@pytest.mark.parametrize(
    ("message", "trace", "error"),
    [
        (call("fail"), "2af7651916cd43dd8448eb211c80319c", "tool_error"),
        (request("resources/read", uri="file:///none"), "3af7651916cd43dd8448eb211c80319c", "-32002"),
    ],
)
def test_what_fails_is_an_error_of_both_spans(world: World, message: Any, trace: str, error: str) -> None:
    world.post(with_trace(message, trace))
    for span in world.collector.wait_for_spans(trace, 2):
        assert span.attributes["error.type"] == f"Str({error})"


def test_a_denied_call_is_a_trace_of_one_span(world: World) -> None:
    trace = "4af7651916cd43dd8448eb211c80319c"
    world.post(with_trace(call("delete_file", path="/"), trace))
    (server,) = world.collector.wait_for_spans(trace, 1)
    assert server.attributes["error.type"] == "Str(tool_error)" and server.events == ["leuko.decision"]


def test_notifications_and_streams_have_spans_of_their_own(world: World) -> None:
    trace = "5af7651916cd43dd8448eb211c80319c"
    world.post(with_trace(request("notifications/initialized", None), trace))
    server, client = world.collector.wait_for_spans(trace, 2)
    assert server.name == client.name == "notifications/initialized"


def test_durations_are_measured_by_method_and_tool(world: World) -> None:
    world.post(call("add", a=1))
    wanted = 'gen_ai_tool_name="add"'

    def names() -> set[str]:
        return {line.partition("{")[0] for line in world.metrics().splitlines() if wanted in line}

    eventually(
        lambda: (
            names() >= {"mcp_server_operation_duration_seconds_count", "mcp_client_operation_duration_seconds_count"}
        )
    )
    assert "gen_ai_client_operation_duration_seconds_count" not in world.metrics(), "no model was asked"
