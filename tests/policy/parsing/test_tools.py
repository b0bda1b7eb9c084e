import re
from typing import Any

import pytest

from gateway.policy.clauses import ActionPattern, Approval, OnDeny, Tool
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.place import Place
from gateway.policy.parsing.tools import read_tools

HERE = Place("ops.yaml", "tools", servers=("files",))


def test_a_tool_says_what_it_does_and_what_it_takes() -> None:
    (tool,) = read_tools(
        HERE,
        {
            "restart_service": {
                "action": "Restart Service",
                "resource": "svc/{service}",
                "effect": "write",
                "arguments": {"service": {"enum": ["web"]}, "reason": None},
                "intent": "required",
                "grant": False,
                "approval": "always",
                "on_deny": {"hold": {"wait_seconds": "2m"}},
                "trust": "untrusted",
                "polling": "on",
            }
        },
    )
    assert tool == Tool(
        "restart_service",
        ActionPattern("restart", "service", text="restart_service"),
        "restart:service",
        "svc/{service}",
        "write",
        {"service": {"enum": ["web"]}, "reason": {}},
        "required",
        "off",
        Approval("always"),
        OnDeny("hold", 120.0),
        untrusted=True,
        polling=True,
    )


def test_a_tool_may_be_named_and_no_more() -> None:
    assert read_tools(HERE, {"search": None, "files.read": {}}) == (
        Tool("search", ActionPattern("search", "", text="search")),
        Tool("files.read", ActionPattern("read", "", "files", text="files.read")),
    )


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"approval": "off"}, Approval()),
        ({"approval": False}, Approval()),
        ({"approval": {"above": {"argument": "amount", "value": 5}}}, Approval("above", "amount", 5)),
        ({"on_deny": "error"}, OnDeny("error")),
        ({"on_deny": {"hold": None}}, OnDeny("hold", 120)),
        ({"on_deny": {"hold": {"wait_seconds": 5}}}, OnDeny("hold", 5)),
        ({"resource": "s3://{bucket}/{key}"}, "s3://{bucket}/{key}"),
        ({"arguments": {}}, {}),
    ],
)
def test_short_and_long_forms(members: dict[str, Any], found: object) -> None:
    (tool,) = read_tools(HERE, {"t": members})
    assert getattr(tool, next(iter(members))) == found


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ({}, "tools: is {}; allowed: a mapping of at least one tool"),
        (None, "tools: is missing; allowed: a mapping of at least one tool"),
        ({"read_file": {}, "readFile": {}}, "tools.readFile: is the same tool as 'read_file'"),
        ({"files.read": {}, "mcp__files__read": {}}, "tools.mcp__files__read: is the same tool as 'files.read'"),
        ({"read_*": {}}, "tools.read_*: is a pattern; allowed: the name of one tool"),
        ({"read(file)": {}}, "allowed in an action"),
        ({"t": {"argument": {}}}, "tools.t.argument: is not known; did you mean arguments?"),
        ({"t": {"arguments": None}}, "tools.t.arguments: is missing; allowed: a mapping; `{}` where"),
        ({"t": {"arguments": {"a": {"enum": []}}}}, "tools.t.arguments.a.enum: is []"),
        ({"t": {"action": "read *"}}, "tools.t.action: is 'read *'; allowed: one action"),
        ({"t": {"action": "a(b)"}}, "tools.t.action: is 'a(b)'; allowed in an action"),
        ({"t": {"action": 3}}, "tools.t.action: is 3; allowed: up to"),
        (
            {"t": {"effect": "reads"}},
            "tools.t.effect: is 'reads'; allowed: read, write, destructive; did you mean read?",
        ),
        ({"t": {"intent": "always"}}, "tools.t.intent: is 'always'; allowed: off, optional, required"),
        ({"t": {"grant": True}}, "tools.t.grant: is True; allowed: off, optional, required"),
        ({"t": {"resource": "{a"}}, "tools.t.resource: is '{a'; allowed: text with arguments in braces"),
        ({"t": {"resource": "{}"}}, "tools.t.resource: names no argument in its braces"),
        (
            {"t": {"resource": "{servce}", "arguments": {"service": {}}}},
            "tools.t.resource: names the argument 'servce', which `arguments` does not have; did you mean service?",
        ),
        ({"t": {"resource": "{b}", "arguments": {}}}, "allowed: none, it has no arguments"),
        ({"t": {"approval": "never"}}, "tools.t.approval: is 'never'; allowed: always, off"),
        ({"t": {"approval": {"over": {}}}}, "tools.t.approval.over: is not known"),
        ({"t": {"approval": {"above": {"value": 5}}}}, "tools.t.approval.above.argument: is missing"),
        ({"t": {"approval": {"above": {"argument": "a"}}}}, "tools.t.approval.above.value: is missing"),
        (
            {"t": {"approval": {"above": {"argument": "a", "value": 1}}, "arguments": {"b": {}}}},
            "tools.t.approval.above.argument: names the argument 'a', which `arguments` does not have; allowed: b",
        ),
        ({"t": {"on_deny": "hold"}}, "tools.t.on_deny: is 'hold'; allowed: refuse, error"),
        ({"t": {"on_deny": {}}}, "tools.t.on_deny: is {}; allowed: refuse, error or {hold"),
        ({"t": {"on_deny": {"hold": {"seconds": 1}}}}, "tools.t.on_deny.hold.seconds: is not known"),
        ({"t": {"on_deny": {"hold": {"wait_seconds": 0}}}}, "tools.t.on_deny.hold.wait_seconds: is 0; allowed"),
        ({"t": {"trust": "none"}}, "tools.t.trust: is 'none'; allowed: trusted, untrusted"),
        ({"t": {"polling": "maybe"}}, "tools.t.polling: is 'maybe'; allowed: true or false"),
    ],
)
def test_what_is_wrong_with_a_tool_is_named_with_its_place(tools: object, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read_tools(HERE, tools)
