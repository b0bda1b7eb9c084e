"""Tools are used as they are pinned: a change holds the calls to them, and nothing else."""

from typing import Any

import pytest

from tests.support.mcp_tools import Server, ToolWorld, tool, tool_path

HOLD_NEW = {"new_tools": "hold"}


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["result"]["content"][0]["text"])


async def approve(world: ToolWorld, name: str) -> None:
    await world.pins.approve("files", name, "root")


async def test_the_first_use_pins_and_the_next_ones_do_not_look_again(redis_url: str) -> None:
    async with tool_path(redis_url, Server([tool("add"), tool("pay")])) as world:
        for _ in range(3):
            assert (await world.call("add"))["result"] == {"content": []}
        assert world.server.looks == 1 and len(world.server.asked) == 3
        assert {name: pin.state for name, pin in (world.pins.of("files") or {}).items()} == {
            "add": "pinned",
            "pay": "pinned",
        }
        assert ("tools.pinned", {"server": "files", "tools": 2}) in world.events


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Sends it elsewhere."},
        {"title": "Another"},
        {"inputSchema": {"type": "object", "properties": {"note": {"description": "your password"}}}},
        {"outputSchema": {"type": "object"}},
        {"annotations": {"destructiveHint": True}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_any_change_holds_the_tool_until_it_is_approved(redis_url: str, change: dict[str, Any]) -> None:
    server = Server([tool("add"), tool("pay")])
    async with tool_path(redis_url, server) as world:
        await world.call("pay")
        server.tools = (
            [tool("add"), tool("pay", **change)]
            if "description" not in change
            else [tool("add"), tool("pay", change["description"])]
        )
        await world.again()
        refused = await world.call("pay", to="me")
        assert refused["result"]["isError"] is True
        assert "tools/definition" in text_of(refused) and "operator" in text_of(refused)
        assert (await world.call("add"))["result"] == {"content": []}
        assert [message["params"]["name"] for message in server.asked] == ["pay", "add"]
        denied = [entry for entry in world.entries.all if entry.kind == "decision"]
        assert [(entry.tool, entry.allowed, entry.rule) for entry in denied] == [("pay", False, "tools/definition")]
        assert refused["result"]["_meta"]["io.leuko/denied"][0]["decision_id"].startswith("dec_")
        found = [entry for entry in world.entries.all if entry.kind == "finding"]
        assert [(entry.resource, entry.reason) for entry in found] == [("files/pay", "changed_definition")]
        assert [kind for kind, _ in world.events].count("tool.finding") == 1
        (asked,) = (await world.approvals.page("pending"))[0]
        assert (asked.kind, asked.agent_id, asked.tool) == ("tool_definition", "mcp:files", "files/pay")
        assert [one["member"] for one in asked.arguments["changes"]] == [next(iter(change))]
        await world.call("pay", key="agk_two")
        assert len((await world.approvals.page("pending"))[0]) == 1
        await approve(world, "pay")
        assert (await world.call("pay"))["result"] == {"content": []}


async def test_a_person_may_approve_it_among_the_approvals(redis_url: str) -> None:
    server = Server([tool("pay")])
    async with tool_path(redis_url, server) as world:
        await world.call("pay")
        server.tools = [tool("pay", "Otherwise.")]
        await world.again()
        await world.call("pay")
        (asked,) = (await world.approvals.page("pending"))[0]
        await world.approvals.decide([asked.approval_id], "rejected", by="root")
        assert f"rejected: {asked.approval_id}" in text_of(await world.call("pay"))
        server.tools = [tool("pay", "Otherwise again.")]
        await world.again()
        await world.call("pay")
        (asked,) = (await world.approvals.page("pending"))[0]
        await world.approvals.decide([asked.approval_id], "approved", by="root")
        assert (await world.call("pay"))["result"] == {"content": []}


async def test_new_tools_are_held_where_a_policy_says_so(redis_url: str) -> None:
    server = Server([tool("add")])
    document = {**HOLD_NEW, "match": {"agents": ["careful"]}}
    async with tool_path(redis_url, server, document) as world:
        assert (await world.call("add", key="agk_careful"))["result"] == {"content": []}
        server.tools.append(tool("late"))
        await world.again()
        assert "ops/new_tools" in text_of(await world.call("late", key="agk_careful"))
        assert "ops/new_tools" in text_of(await world.call("unlisted", key="agk_careful"))
        assert (await world.call("late", key="agk_other"))["result"] == {"content": []}
        assert (await world.call("unlisted", key="agk_other"))["result"] == {"content": []}
        assert await world.names("agk_careful") == ["add"] and await world.names("agk_other") == ["add", "late"]
        await approve(world, "late")
        assert (await world.call("late", key="agk_careful"))["result"] == {"content": []}


async def test_in_shadow_nothing_is_held_and_it_is_told(redis_url: str) -> None:
    server = Server([tool("pay")])
    async with tool_path(redis_url, server, HOLD_NEW, shadow=True) as world:
        await world.call("pay")
        server.tools = [tool("pay", "Otherwise."), tool("late")]
        await world.again()
        assert (await world.call("pay"))["result"] == {"content": []}
        assert await world.names() == ["pay", "late"]
        shadowed = [entry.metadata for entry in world.entries.all if entry.kind == "decision"]
        assert [one["shadow"][0]["rule"] for one in shadowed] == ["tools/definition"]


async def test_definitions_that_cannot_be_pinned_are_not_used(redis_url: str) -> None:
    deep: Any = {}
    for _ in range(150):
        deep = {"items": deep}
    server = Server(
        [
            tool("twice"),
            tool("twice", "Another."),
            {"name": "deep", "inputSchema": deep},
            tool("long", "x" * 300_000),
            7,
            {},
        ]
        + [{"name": "odd", "inputSchema": "no schema", "description": 7}, tool("add")]
    )
    async with tool_path(redis_url, server) as world:
        for name in ("twice", "deep", "long"):
            assert "cannot be pinned" in text_of(await world.call(name))
        for name in ("odd", "add"):
            assert (await world.call(name))["result"] == {"content": []}
        assert (await world.approvals.page("pending"))[0] == []


async def test_calls_are_held_to_the_pinned_schemas(redis_url: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    server = Server([{"name": "add", "inputSchema": schema}, {"name": "odd", "inputSchema": 7}])
    async with tool_path(redis_url, server, {"schema": "enforce"}) as world:
        assert (await world.call("add", a=1))["result"] == {"content": []}
        assert "schema" in text_of(await world.call("add", a="one"))
        assert "schema" in text_of(await world.call("odd"))
        assert "unknown_tool" in text_of(await world.call("none"))


async def test_a_server_that_does_not_list_can_be_used_unless_new_tools_are_held(redis_url: str) -> None:
    server = Server([], silent=True)
    document = {**HOLD_NEW, "match": {"agents": ["careful"]}}
    async with tool_path(redis_url, server, document) as world:
        assert (await world.call("add"))["result"] == {"content": []}
        assert world.pins.of("files") is None
        assert "ops/new_tools" in text_of(await world.call("add", key="agk_careful"))
        server.silent, server.tools = False, [tool("add")]
        await world.again()
        assert (await world.call("add", key="agk_careful"))["result"] == {"content": []}


async def test_a_thousand_tools_are_pinned_and_listed(redis_url: str) -> None:
    server = Server([tool(f"t{number}", f"The tool of number {number}.") for number in range(1000)])
    async with tool_path(redis_url, server, {"deny": ["t7"]}) as world:
        assert len(await world.names()) == 999
        server.tools[500] = tool("t500", "Another.")
        await world.again()
        assert "tools/definition" in text_of(await world.call("t500"))
        assert (await world.call("t501"))["result"] == {"content": []}
        changed = [name for name, pin in (world.pins.of("files") or {}).items() if pin.state == "changed"]
        assert changed == ["t500"]
