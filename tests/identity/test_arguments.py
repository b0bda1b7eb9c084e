"""What stands for arguments."""

from typing import Any

import pytest

from gateway.identity.arguments import ArgumentsHash

HASH = ArgumentsHash(b"secret")


def test_the_order_of_members_does_not_count_and_everything_else_does() -> None:
    one = HASH("pay", {"to": "a", "amount": 5, "more": {"x": 1, "y": 2}})
    assert one == HASH("pay", {"more": {"y": 2, "x": 1}, "amount": 5, "to": "a"})
    others = [
        HASH("pay", {"to": "a", "amount": "5", "more": {"x": 1, "y": 2}}),
        HASH("pay", {"to": "a", "amount": 5.5, "more": {"x": 1, "y": 2}}),
        HASH("pay2", {"to": "a", "amount": 5, "more": {"x": 1, "y": 2}}),
        ArgumentsHash(b"other")("pay", {"to": "a", "amount": 5, "more": {"x": 1, "y": 2}}),
    ]
    others.append(HASH("pay", {"to": "a", "amount": 5, "more": {"x": 1, "y": 2}}, "bank"))
    assert len({one, *others}) == 6
    assert len(one) == 32


@pytest.mark.parametrize("arguments", [{"n": 2**80}, {"s": "\ud800"}, "text", None, {1: 2}])
def test_anything_has_a_hash(arguments: Any) -> None:
    assert HASH("a", arguments) == HASH("a", arguments) != HASH("a", {})
