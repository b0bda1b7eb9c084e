"""How one approval is written down and read."""

from typing import Any

import pytest

from gateway.store.approval_record import ARGUMENTS_BYTES, Pending, bound_to, fields_of, read_approval, shown_arguments


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"a": [1, None, True, "x"]}, b'{"a":[1,null,true,"x"]}'),
        ("text", b'"text"'),
        (None, b"null"),
        ({1: 2}, b'{"1":2}'),
        ({"x" * 20: "y"}, b'{"' + b"x" * 20 + b'":"y"}'),
    ],
)
def test_arguments_are_shown_as_json(arguments: Any, shown: bytes) -> None:
    assert shown_arguments(arguments, same) == (shown, False)


def test_arguments_as_long_as_may_be_are_whole() -> None:
    assert shown_arguments("x" * (ARGUMENTS_BYTES - 2), same)[1] is False
    assert shown_arguments("x" * (ARGUMENTS_BYTES - 1), same)[1] is True


def test_no_more_text_is_looked_through_than_is_shown() -> None:
    seen = 0

    def cover(text: str) -> str:
        nonlocal seen
        seen += len(text)
        return text.replace("secret", "[covered]")

    text, truncated = shown_arguments([{"a": "x" * 10_000_000}, *["secret"] * 1000], cover)
    assert truncated and seen < 100_000 and len(text) < 17_000
    text, truncated = shown_arguments({"a": "x" * 16_000 + "secret"}, cover)
    assert not truncated and text.endswith(b'[covered]"}')


def test_each_part_of_a_call_binds() -> None:
    calls = [
        ("k", "a", "t", "h"),
        ("x", "a", "t", "h"),
        ("k", "x", "t", "h"),
        ("k", "a", "x", "h"),
        ("k", "a", "t", "x"),
    ]
    assert len({bound_to(*one) for one in calls}) == len(calls)


def test_what_is_written_can_be_read() -> None:
    asked = Pending("healing", "agt_1", "t" * 900, None, "rule", "reason", "talk", "req_1", "h", 5.25)
    kept = {**fields_of(asked, truncated=False), "status": "pending", "created_at": "1000", "expires_at": "3601000"}
    found = read_approval("apr_1", 2000, b"null", kept)
    assert (found.kind, found.tool, found.deviation, found.status) == ("healing", "t" * 500, 5.25, "pending")
    assert (found.created_at, found.expires_at, found.arguments) == (1.0, 3601.0, None)
    for status, used, shown in (
        ("pending", {}, "expired"),
        ("approved", {}, "expired"),
        ("approved", {"used_at": "5000"}, "approved"),
        ("rejected", {}, "rejected"),
    ):
        later = read_approval("apr_1", 3_601_000, None, {**kept, "status": status, **used})
        assert later.status == shown
