"""MCP messages in the words of the conventions."""

from typing import Any

import pytest

from gateway.telemetry.operation import Operation


def operation(method: str = "tools/call", id: int | str | None = 7, **params: Any) -> Operation:
    return Operation(method, params, id, server=("files", "files.example", 443), session="ses", version="2025-11-25")


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (operation(name="add"), "tools/call add"),
        (operation("prompts/get", name="greet"), "prompts/get greet"),
        (operation("resources/read", uri="file:///x"), "resources/read"),
        (operation("tools/call", name=7), "tools/call"),
        (operation("tools/list", name="add"), "tools/list"),
    ],
)
def test_spans_are_named_after_what_is_few(one: Operation, name: str) -> None:
    assert one.name == name


def test_attributes_of_a_call() -> None:
    one = operation(name="add")
    one.call_id = "cal_1"
    assert one.attributes(str) == {
        "mcp.method.name": "tools/call",
        "jsonrpc.request.id": "7",
        "gen_ai.tool.name": "add",
        "gen_ai.operation.name": "execute_tool",
        "mcp.session.id": "ses",
        "mcp.protocol.version": "2025-11-25",
        "network.transport": "tcp",
        "leuko.mcp.server": "files",
        "leuko.call.id": "cal_1",
    }


def test_a_notification_has_no_id_and_no_tool() -> None:
    found = operation("notifications/initialized", None).attributes(str)
    assert "jsonrpc.request.id" not in found and "gen_ai.operation.name" not in found


def test_text_from_outside_is_cleaned() -> None:
    found = operation("resources/read", uri="file:///secret").attributes(lambda text: text.replace("secret", "*"))
    assert found["mcp.resource.uri"] == "file:///*"


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({"id": 7, "result": {"content": []}}, None, None),
        ({"id": 7, "result": {"isError": True}}, "tool_error", None),
        ({"id": 7, "result": {"isError": "yes"}}, None, None),
        ({"id": 7, "error": {"code": -32602}}, "-32602", "-32602"),
        ({"id": 7, "error": "what"}, None, None),
        ({"id": 8, "error": {"code": -32602}}, None, None),
    ],
)
def test_how_it_failed(answer: dict[str, Any], error: str | None, code: str | None) -> None:
    one = operation(name="add")
    one.answered(answer)
    assert (one.error, one.code) == (error, code)
