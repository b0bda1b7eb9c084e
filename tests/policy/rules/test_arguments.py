import json
from typing import Any

import pytest

from tests.support.policies import Remembered, document, judge, said, tool

PAY = tool("pay", arguments={"to": {"enum": ["ada", "bob"]}, "amount": {"maximum": 5}})


@pytest.mark.parametrize(
    ("arguments", "rule", "reason"),
    [
        ({"to": "ada", "amount": 5}, "ops/tools/pay", "its arguments hold"),
        ({}, "ops/tools/pay", "its arguments hold"),
        ({"to": "eve"}, "ops/tools/pay/to", "argument `to` is not one of ada, bob"),
        ({"to": "ada", "Amount": 5}, "ops/tools/pay/arguments", "it has an argument other than those allowed"),
        ("to ada", "ops/tools/pay/arguments", "its arguments have no names"),
        (["ada"], "ops/tools/pay/arguments", "its arguments have no names"),
    ],
)
def test_arguments_are_a_closed_vocabulary(arguments: Any, rule: str, reason: str) -> None:
    verdict = judge(document(tools=[PAY]), "pay", arguments)
    assert verdict.rule == rule and verdict.reason.startswith(reason)
    assert verdict.allowed == (rule == "ops/tools/pay")


def test_a_tool_of_which_the_document_leaves_the_arguments_open_takes_any() -> None:
    assert judge(document(tools=[PAY, tool("fetch")]), "fetch", {"anything": 1}).allowed
    none = document(tools=[tool("stop", arguments={})])
    assert judge(none, "stop").allowed and "none" in judge(none, "stop", {"a": 1}).reason


def test_the_text_of_a_custom_tool_is_its_input() -> None:
    on = document(tools=[tool("patch", arguments={"input": {"max_length": 3}})])
    assert judge(on, "patch", "abc", kind="custom").allowed
    assert not judge(on, "patch", "abcd", kind="custom").allowed


def test_the_members_around_a_call_of_another_kind_are_no_arguments() -> None:
    on = document(tools=[tool("local_shell_call", arguments={"action": {"type": "object"}})])
    item = {"type": "local_shell_call", "id": "x", "call_id": "y", "status": "completed", "action": {"command": []}}
    assert judge(on, "local_shell_call", item, kind="local_shell_call").allowed
    assert not judge(on, "local_shell_call", item | {"more": 1}, kind="local_shell_call").allowed


def test_every_entry_that_fits_governs_the_call() -> None:
    on = document(tools=[tool("pay", server="bank", arguments={"to": {"const": "ada"}}), PAY])
    assert judge(on, "pay", {"to": "ada"}, server="bank").allowed
    assert judge(on, "pay", {"to": "bob"}, server="bank").rule == "ops/tools/pay/to"
    assert judge(on, "pay", {"to": "bob"}).allowed


def test_reasons_never_hold_what_the_model_wrote() -> None:
    on = document(
        tools=[
            tool(
                "x",
                arguments={
                    name: {name: demand}
                    for name, demand in (
                        ("const", 1), ("type", "null"), ("minimum", 5), ("maximum", 1), ("min_length", 99),
                        ("max_length", 1), ("pattern", "a"), ("not_pattern", "e"), ("path_in", ["/sim/**"]),
                        ("host_in", ["a.b"]), ("command", {"allow": ["ls"]}), ("provenance", ["user"]),
                        ("from_step", {"tool": "t", "path": "$.a"}), ("sum_max", {"value": 1, "per": "day"}),
                        ("items", {"const": 1}), ("properties", {"a": {"const": 1}}),
                    )
                },
            )
        ]
    )  # fmt: skip
    for value in ("zebra-secret-value", ["zebra-secret-value"], {"zebra-secret-value": "zebra-secret-value"}):
        for name in on.clauses.tools[0].arguments or {}:
            verdict = judge(on, "x", {name: value}, memory=Remembered(), transcript=said())
            assert "zebra" not in json.dumps([verdict.rule, verdict.reason]), name


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        ('await tools.exec_command({cmd: "ls /sim"})', True),
        ('await tools.exec_command({cmd: "ls /etc"})', False),
        ('await tools.exec_command({cmd: "ls " + place})', False),
        ("ls /sim", False),
    ],
)
def test_a_program_that_runs_commands_is_judged_by_what_it_runs(program: str, allowed: bool) -> None:
    commands = {"input": {"command": {"allow": ["ls"], "paths": ["/sim/**"]}}}
    on = document(tools=[tool("exec", arguments=commands), tool("shell", arguments=commands)])
    assert judge(on, "exec", program, kind="custom", server="functions").allowed == allowed
    assert judge(on, "shell", program, kind="custom").allowed == (program == "ls /sim")
