import pytest

from tests.support.policies import document, judge, offer, tool

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("enforced", [True, False])
def test_a_schema_holds_where_it_is_enforced_and_is_recorded_elsewhere(enforced: bool) -> None:
    on = document(enforce_schema=enforced, deny=["x"])
    tools = {"add": offer("add", SCHEMA)}
    assert judge(on, "add", {"n": 1}, tools=tools).shadowed == ()
    for name, arguments, rule in (("add", {"n": "1"}, "schema"), ("sub", {}, "unknown_tool")):
        verdict = judge(on, name, arguments, tools=tools)
        if enforced:
            assert (verdict.allowed, verdict.rule) == (False, f"ops/{rule}")
        else:
            assert verdict.allowed and [pair[0] for pair in verdict.shadowed] == [rule]
    assert judge(on, "sub").allowed  # nobody knows what was offered


def test_a_tool_that_a_document_names_is_held_to_its_schema_always() -> None:
    on = document(default="allow", tools=[tool("add")])
    assert judge(on, "add", {"n": "1"}, tools={"add": offer("add", SCHEMA)}).rule == "ops/schema"
    assert judge(on, "add", {"n": "1"}, tools={}).rule == "ops/unknown_tool"
    assert judge(on, "sub", {}, tools={}).allowed
    assert judge(on, "add", "text", kind="custom", tools={"add": offer("add", SCHEMA)}).allowed
    assert judge(on, "add", {}, kind="computer_call", tools={}).allowed


def test_of_two_tools_with_one_name_the_schema_of_the_one_that_is_called_holds() -> None:
    on = document(enforce_schema=True, default="allow")
    tools = {"add": offer("add", {"type": "object"}), "math/add": offer("add", SCHEMA, namespace="math")}
    assert judge(on, "add", {"n": "1"}, tools=tools).allowed
    assert judge(on, "add", {"n": "1"}, tools=tools, server="math").rule == "ops/schema"
    assert judge(on, "add", {"n": 1}, tools=tools, server="math").allowed
