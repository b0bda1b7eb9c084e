"""The judge of a gateway without policy."""

from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, allow_all


def test_without_policy_every_call_is_released() -> None:
    assert allow_all([ToolCall("delete_database", "function", "{}", {})]) is RELEASE
