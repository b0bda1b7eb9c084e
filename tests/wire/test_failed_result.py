"""Failures of tools, as agents report them."""

from typing import Any

import pytest

from gateway.wire.failed_result import says_it_failed

FAILED = [
    "Error: no such file",
    "error while reading",
    "  ValueError: x",
    "Traceback (most recent call last):\n…",
    "<tool_use_error>Cancelled</tool_use_error>",
    "Failed to connect",
    '{"error": "no such city"}',
    '{"error":{"code":1}}',
    '{"status": "error", "detail": 1}',
    '{"result": null, "success": false}',
    '{"isError":true,"content":[]}',
    '{"output":"x","metadata":{"exit_code":2}}',
    "Exit code: 1\nOutput:\nls: no",
    "Chunk\nProcess exited with code 127\n",
    [{"type": "text", "text": "Error executing tool"}],
]
FINE = [
    "12 degrees",
    "",
    None,
    {"error": 1},
    [],
    [{"type": "image"}],
    "error codes are documented at the end",
    "no errors",
    '{"error": null, "data": 1}',
    '{"errors": [], "data": 1}',
    '{"status":"ok"}',
    "Exit code: 0\nOutput: Error",
    "x" * 500 + "Error: far behind",
]


@pytest.mark.parametrize("content", FAILED)
def test_a_failure_is_seen(content: Any) -> None:
    assert says_it_failed(content)


@pytest.mark.parametrize("content", FINE)
def test_what_is_no_failure_is_taken_for_none(content: Any) -> None:
    assert not says_it_failed(content)
