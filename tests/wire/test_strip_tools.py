"""Tools are taken out where they are offered, and no other byte changes."""

from typing import Any

import orjson
import pytest

from gateway.wire import DIALECTS
from gateway.wire.strip_tools import strip_tools


def stripped(dialect: str, body: bytes, *names: str) -> bytes:
    return strip_tools(body, DIALECTS[dialect].read_request(orjson.loads(body)), names)


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def test_one_of_several_tools_goes_and_the_bytes_of_the_others_stay() -> None:
    kept = b'{"type": "function", "function": {"name": "b", "x": 1.0}}'
    gone = b'{"type": "function", "function": {"name": "a"}}'
    for tools in (b"[%b,  %b]" % (gone, kept), b"[%b ,%b]" % (kept, gone)):
        body = b'{"messages":[], "tools" : %b, "tool_choice":"auto"}' % tools
        after = stripped("chat_completions", body, "a")
        assert orjson.loads(after) == {"messages": [], "tools": [orjson.loads(kept)], "tool_choice": "auto"}
        assert kept in after


@pytest.mark.parametrize("member", ["tools", "functions"])
def test_when_all_are_gone_so_is_what_is_taken_only_beside_them(member: str) -> None:
    tool = function("a") if member == "tools" else {"name": "a"}
    ask = {"messages": [], member: [tool, tool], "tool_choice": "auto", "parallel_tool_calls": True, "n": 1}
    assert orjson.loads(stripped("chat_completions", orjson.dumps(ask), "a")) == {"messages": [], "n": 1}


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "a"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("a"), function("b")]}},
    ],
)
def test_a_choice_of_a_tool_that_is_gone_goes_too(choice: Any) -> None:
    ask = {"messages": [], "tools": [function("a"), function("b")], "tool_choice": choice}
    after = orjson.loads(stripped("chat_completions", orjson.dumps(ask), "a"))
    assert after == {"messages": [], "tools": [function("b")]}


def test_tools_of_namespaces_and_of_input_items_go_too() -> None:
    def tool(name: str) -> dict[str, Any]:
        return {"type": "function", "name": name}

    space = {"type": "namespace", "name": "s", "tools": [tool("a"), tool("b")]}
    whole = {"type": "namespace", "name": "t", "tools": [tool("a")]}
    item = {"type": "additional_tools", "tools": [tool("a"), tool("c")]}
    ask = {"input": [{"role": "user", "content": "x"}, item, "odd"][:2], "tools": [space, tool("a"), whole]}
    after = orjson.loads(stripped("responses", orjson.dumps(ask), "a"))
    assert after == {
        "input": [ask["input"][0], {"type": "additional_tools", "tools": [tool("c")]}],
        "tools": [{"type": "namespace", "name": "s", "tools": [tool("b")]}],
    }


def test_hosted_tools_servers_and_searches_go_by_their_names() -> None:
    ask = {"input": "x", "tools": [{"type": "web_search"}, {"type": "function", "name": "b"}]}
    assert orjson.loads(stripped("responses", orjson.dumps(ask), "web_search"))["tools"] == ask["tools"][1:]
    search = {"messages": [], "web_search_options": {}}
    assert orjson.loads(stripped("chat_completions", orjson.dumps(search), "web_search")) == {"messages": []}
    served = {
        "messages": [],
        "max_tokens": 1,
        "mcp_servers": [{"type": "url", "name": "files", "url": "https://x"}],
        "tools": [{"name": "b", "input_schema": {}}],
        "tool_choice": {"type": "auto"},
    }
    after = orjson.loads(stripped("messages", orjson.dumps(served), "files"))
    del served["mcp_servers"]
    assert after == served


def test_a_request_without_such_tools_is_the_very_same() -> None:
    body = orjson.dumps({"messages": [], "tools": [function("b")], "tool_choice": "auto"})
    assert stripped("chat_completions", body, "a") is body
