"""Questions as somebody writes them down."""

from typing import Any

import pytest

from gateway.policy.question import Question


@pytest.mark.parametrize(
    ("arguments", "kind", "size"),
    [
        ({}, "function", 2),
        ({"a": [1, 2]}, "function", len('{"a":[1,2]}')),
        ({"a": "é"}, "function", len('{"a":"é"}'.encode())),
        ({"a": 10**30}, "function", len('{"a":') + 31 + 1),
        ({"a": "\ud800"}, "function", len('{"a":""}') + 3),
        ("né", "custom", 3),
    ],
)
def test_what_is_written_down_is_as_long_as_a_client_would_send_it(arguments: Any, kind: str, size: int) -> None:
    stated = Question.stated("x", arguments, server="s", action="read:file", resource="/a")
    assert stated == Question("x", arguments, kind, "s", size, "read:file", "/a")
