"""What callers fill stays bounded."""

from gateway.model.bounded import make_room


def test_the_oldest_makes_room_and_no_other() -> None:
    held = {"a": 1, "b": 2}
    make_room(held, 3)
    assert held == {"a": 1, "b": 2}
    make_room(held, 2)
    assert held == {"b": 2}
