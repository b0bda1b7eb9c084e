"""How long MCP operations took, by few names."""

from gateway.telemetry.instruments import Point
from gateway.telemetry.mcp_metrics import MCPMetrics
from gateway.telemetry.operation import Operation


def operation(method: str = "tools/call", tool: str = "add", answer: dict[str, object] | None = None) -> Operation:
    one = Operation(method, {"name": tool}, 1, server=("files", "files.example", 443), session=None, version=None)
    one.answered({"id": 1, **(answer or {"result": {}})})
    return one


def points(metrics: MCPMetrics) -> tuple[list[Point], list[Point]]:
    served, asked = [list(one.family().points) for one in metrics.instruments()]
    return served, asked


def test_an_operation_is_measured_towards_the_caller_and_towards_the_server() -> None:
    metrics = MCPMetrics()
    metrics.observe(operation(), None, 0.3, 0.2)
    metrics.observe(operation(), None, 0.3, 0.2)
    (served,), (asked,) = points(metrics)
    assert (round(served.value, 6), round(asked.value, 6)) == (0.6, 0.4)
    assert served.attributes == {
        "leuko.mcp.server": "files",
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "add",
        "gen_ai.operation.name": "execute_tool",
        "network.transport": "tcp",
    }
    assert asked.attributes == {**served.attributes, "server.address": "files.example", "server.port": "443"}


def test_what_no_server_was_asked_is_measured_towards_the_caller_alone() -> None:
    metrics = MCPMetrics()
    metrics.observe(operation(), "agent_quarantined", 0.1, None)
    (served,), asked = points(metrics)
    assert asked == [] and served.attributes["error.type"] == "agent_quarantined"


def test_callers_cannot_make_up_names() -> None:
    metrics = MCPMetrics()
    for number in range(1000):
        failed = {"error": {"code": number}}
        metrics.observe(operation(f"made/up/{number}"), None, 0.1, 0.1)
        metrics.observe(operation(tool=f"made-up-{number}", answer=failed), None, 0.1, 0.1)
        metrics.observe(operation(tool=f"denied-{number}"), "tool_call_denied", 0.1, None)
    assert len(points(metrics)[0]) == 3


def test_tools_that_answer_have_names_but_not_endlessly_many() -> None:
    metrics = MCPMetrics()
    for number in range(1000):
        metrics.observe(operation(tool=f"tool-{number}"), None, 0.1, 0.1)
    metrics.observe(operation(tool="tool-1", answer={"result": {"isError": True}}), None, 0.1, 0.1)
    named = {point.attributes["gen_ai.tool.name"] for point in points(metrics)[0]}
    assert len(named) == 201 and {"tool-1", "_OTHER"} <= named
