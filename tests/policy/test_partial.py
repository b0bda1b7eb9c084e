"""Documents without some of what they say."""

from typing import Any

from gateway.policy.document import parse
from gateway.policy.partial import conversational, decidable, without_arguments

ARGUMENTS: dict[str, Any] = {
    "to": {"provenance": ["user"], "max_length": 5},
    "list": {
        "items": {"properties": {"iban": {"from_step": {"tool": "get_invoice", "path": "$.iban"}, "type": "string"}}}
    },
    "amount": {"maximum": 5},
}
DOCUMENT = parse({"name": "pay", "tools": {"send_money": {"arguments": ARGUMENTS}, "read": {}}}, "a test")


def test_what_only_a_conversation_can_answer_is_left_out_wherever_it_stands() -> None:
    send, read = decidable(DOCUMENT).clauses.tools
    assert send.arguments == {
        "to": {"max_length": 5},
        "list": {"items": {"properties": {"iban": {"type": "string"}}}},
        "amount": {"maximum": 5},
    }
    assert read.arguments is None
    found = conversational(DOCUMENT.clauses.tools[0].arguments or {})
    assert [place for place, _ in found] == ["to.provenance", "list[].iban.from_step"]


def test_without_arguments_a_tool_is_governed_by_its_name_alone() -> None:
    without = without_arguments(DOCUMENT)
    assert [tool.arguments for tool in without.clauses.tools] == [None, None]
    assert without.name == "pay" and DOCUMENT.clauses.tools[0].arguments is not None
