"""The stage of a walkthrough: it says and notes what came of each step, and is patient with a busy gateway."""

from collections.abc import Iterator

import pytest

from gateway.demo.walkthrough import Step, shown
from tests.demo.staged import Gateway, Told


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("gateway.demo.walkthrough._PAUSE", 0.0)
    yield


def test_a_step_is_noted_and_said_and_judged() -> None:
    told = Told(Gateway((200, {})))
    assert told.stage.check("one", "a", "a") and not told.stage.check("two", "b", "c")
    assert told.stage.steps == [Step("one", "a", "a"), Step("two", "b", "c")]
    assert told.lines == ["  ok   one: a", "  NOT  two: c (expected: b)"]


def test_what_is_too_busy_is_asked_again_but_not_for_ever() -> None:
    gateway = Gateway((503, {}), (503, {}), (200, {}))
    assert Told(gateway).stage.post("/x", {}, {}).status_code == 200
    assert len(gateway.asked) == 3
    assert Told(Gateway((503, {}))).stage.post("/x", {}, {}).status_code == 503


def test_what_shows_later_is_waited_for() -> None:
    stage, seen = Told(Gateway((200, {}))).stage, iter("abc")
    assert stage.eventually(lambda: next(seen, "c"), "c") == "c"
    assert stage.eventually(lambda: "a", "c") == "a"


def test_a_policy_is_put_in_force_by_its_own_name() -> None:
    told = Told(Gateway((200, {})))
    told.stage.policy("\n# ops\nname: ops\nallow: ['*']\n")
    ((method, path, more),) = told.operator
    assert (method, path) == ("PUT", "/policies/ops") and more["yaml"].startswith("\n# ops")
    assert "    name: ops\n    allow: ['*']" in told.lines[-1]


def test_arguments_are_shown_in_a_short_line() -> None:
    assert shown({"a": 1, "b": "x y"}) == 'a=1, b="x y"'
    assert len(shown({"a": "x" * 500})) == 80
