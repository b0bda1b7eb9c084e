from typing import Any

import pytest

from gateway.policy.names import Names
from gateway.policy.preparing import arguments_of, prepare
from gateway.policy.question import Question
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.schemas import Schemas
from tests.support.policies import document, facts, tool


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        ("function", {"id": 1}, {"id": 1}),
        ("mcp", {"type": 1}, {"type": 1}),
        ("custom", "text", {"input": "text"}),
        ("computer_call", {"type": "computer_call", "id": "a", "action": {"x": 1}}, {"action": {"x": 1}}),
        ("function", "text", None),
        ("function", None, None),
    ],
)
def test_arguments_by_name(kind: str, arguments: Any, named: Any) -> None:
    assert arguments_of(Question("x", arguments, kind)) == named


def test_each_document_sees_what_it_maps_the_tool_to_and_the_others_see_all_of_it() -> None:
    names = Names()
    mapping = document("mapping", tools=[tool("bounce", action="Restart Service", resource="{name}")])
    naming = document("naming", tools=[tool("bounce")])
    broken = document("broken", tools=[tool("bounce", resource="{other}")])
    documents = [Ruleset(one, names, Schemas()) for one in (mapping, naming, broken, document("silent", deny=["x"]))]
    call = prepare(documents, Question("bounce", {"name": "web"}), facts(), names, ["y"])
    assert call.targets_of("mapping") == (("restart:service", "web"),)
    assert call.targets_of("naming") == call.targets_of("silent") == (("bounce", ""), ("restart:service", "web"))
    assert call.unnamed == {"broken": "tools/bounce/resource"} and list(call.untrusted) == ["y"]
    assert set(call.entries) == {"mapping", "naming", "broken"}


def test_the_arguments_say_what_a_tool_is_used_on_and_else_who_asks() -> None:
    names = Names()
    by_name = Ruleset(document(tools=[tool("bounce", action="restart:service", resource="{name}")]), names, Schemas())

    def targets(rules: Ruleset, **asked: Any) -> Any:
        return prepare([rules], Question(**{"tool": "bounce", "arguments": {}, **asked}), facts(), names).targets_of(
            "ops"
        )

    assert targets(by_name, arguments={"name": "web"}, resource="db") == (("restart:service", "web"),)
    assert targets(by_name, tool="", action="restart service", resource="db") == (("restart:service", "db"),)
    plain = Ruleset(document(tools=[tool("bounce", action="restart:service")]), names, Schemas())
    assert targets(plain, resource="db") == (("restart:service", "db"),)
