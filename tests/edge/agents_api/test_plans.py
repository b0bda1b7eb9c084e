"""From what an agent writes to the steps it means."""

from typing import Any

import pytest

from gateway.edge.admin.problems import Problem
from gateway.edge.agents_api.plans import AskedPlan, NarrowedStep, parts_of, steps_of
from gateway.intents.claims import Step
from gateway.policy.actions import split_server


def split(tool: str) -> tuple[str | None, str]:
    return split_server(tool, ("cloud",))


def steps(*asked: dict[str, Any]) -> tuple[Step, ...]:
    return steps_of(AskedPlan(goal="g", steps=list(asked)).steps, split)  # type: ignore[arg-type]


def field(*asked: dict[str, Any]) -> str:
    with pytest.raises(Problem) as raised:
        steps(*asked)
    assert raised.value.errors is not None
    found: str = raised.value.errors[0]["field"]
    return found


def test_where_the_server_is_said_a_tools_name_is_literal() -> None:
    found = steps(
        {"tool": "cloud__read", "server": "hub"},
        {"tool": "cloud__read", "server": "cloud"},
    )
    named = [(step.server, step.tool) for step in found]
    assert named == [("hub", "cloud__read"), ("cloud", "read")]


def test_steps_get_ids_and_tools_their_own_names() -> None:
    found = steps({"tool": "mcp__cloud__read"}, {"tool": "cloud.write", "id": "w"}, {"tool": "x", "server": "other"})
    assert [(step.id, step.server, step.tool) for step in found] == [
        ("s1", "cloud", "read"),
        ("w", "cloud", "write"),
        ("s3", "other", "x"),
    ]


def test_order_is_told_by_id_position_or_tool() -> None:
    found = steps({"tool": "a"}, {"tool": "b", "id": "two"}, {"tool": "c", "after": ["two", 0, "a", "s1"]})
    assert found[2].after == ("two", "s1")


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ([{"tool": "a", "after": [0]}], "body.steps.0.after"),
        ([{"tool": "a"}, {"tool": "a"}, {"tool": "b", "after": ["a"]}], "body.steps.2.after"),
        ([{"tool": "a"}, {"tool": "b", "after": [-1]}], "body.steps.1.after"),
        ([{"tool": "a", "id": "s2"}, {"tool": "b"}], "body.steps"),
        ([{"tool": "a", "after": [1]}, {"tool": "b", "after": [2]}, {"tool": "c", "after": [0]}], "body.steps"),
        ([{"tool": "a", "arguments": {"n": 2**60}}], "body.steps.0"),
        ([{"tool": "a", "constraints": {"n": {"minimum": "1"}}}], "body.steps.0.constraints.n.minimum"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(asked: list[dict[str, Any]], where: str) -> None:
    assert field(*asked) == where


PARENT = (Step("s1", "read", "cloud", None, {"path": {"enum": ["/a", "/b"]}}, 3), Step("s2", "write", after=("s1",)))


def parts(*asked: dict[str, Any]) -> tuple[Step, ...]:
    return parts_of([NarrowedStep(**one) for one in asked], PARENT, split)


def test_what_is_left_out_stays_as_the_parent_has_it() -> None:
    assert parts({"id": "s1"}, {"id": "s2"}) == parts_of(None, PARENT, split) == PARENT
    (found,) = parts({"id": "s1", "max_uses": 1, "constraints": {"path": {"const": "/a"}}})
    assert found == Step("s1", "read", "cloud", None, {"path": {"const": "/a"}}, 1)


def test_a_part_without_an_id_is_written_as_a_step() -> None:
    (found,) = parts({"tool": "mcp__cloud__read", "arguments": {"path": "/a"}})
    assert found == Step("", "read", "cloud", {"path": "/a"})


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"id": "s9"}, "body.steps.0.id"),
        ({"max_uses": 1}, "body.steps.0.tool"),
        ({"id": "s1", "constraints": {"path": {"is": 1}}}, "body.steps.0.constraints.path.is"),
    ],
)
def test_a_part_of_nothing_is_refused(asked: dict[str, Any], where: str) -> None:
    with pytest.raises(Problem) as raised:
        parts(asked)
    assert raised.value.errors is not None and raised.value.errors[0]["field"] == where
