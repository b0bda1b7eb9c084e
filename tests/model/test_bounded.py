"""What callers fill stays bounded."""

from gateway.model.bounded import Seldom, make_room


def test_the_oldest_makes_room_and_no_other() -> None:
    held = {"a": 1, "b": 2}
    make_room(held, 3)
    assert held == {"a": 1, "b": 2}
    make_room(held, 2)
    assert held == {"b": 2}


def test_the_same_thing_is_told_once_within_a_minute_and_what_made_room_again() -> None:
    now = 0.0
    seldom = Seldom(60.0, 2, lambda: now)
    assert [seldom.due(thing) for thing in "aabb"] == [True, False, True, False]
    now = 60.0
    assert seldom.due("a") and not seldom.due("a")
    assert seldom.due("c") and not seldom.due("a")  # "b" was told longest ago
    assert seldom.due("b")
