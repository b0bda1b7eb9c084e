from typing import Any

import pytest

from gateway.model.ask import OfferedTool
from gateway.policy.schemas import Schemas, schema_of
from tests.support.policies import offer

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "function", "function": {"name": "add", "parameters": SCHEMA}},
        {"type": "function", "name": "add", "parameters": SCHEMA},
        {"name": "add", "input_schema": SCHEMA},
    ],
)
def test_every_dialects_schema_is_found_and_held(definition: dict[str, Any]) -> None:
    tool, schemas = OfferedTool("add", "function", definition), Schemas()
    assert schema_of(tool) == SCHEMA and schemas.problem(tool, {"n": 1}) is None
    for bad in ({}, {"n": "1"}, {"n": 1, "m": 2}, [], None, "x"):
        assert schemas.problem(tool, bad) == "the arguments do not fit the tool's own schema"


@pytest.mark.parametrize("schema", [None, {}, True])
def test_a_tool_without_a_schema_takes_anything(schema: Any) -> None:
    assert Schemas().problem(offer("x", schema), {"a": 1}) is None


@pytest.mark.parametrize(
    "schema",
    [
        5, "{}", [], {"type": "strange"}, {"$ref": "http://169.254.169.254/x"}, {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"}, {"pattern": "(?=a"}, {"$schema": "http://unknown/"}, nested(400), {"maximum": 10**40},
        {"description": "x" * 1024 * 1024},
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_read_fits_nothing(schema: Any) -> None:
    assert Schemas().problem(offer("x", schema), {}) == "the tool's own schema cannot be read"


def test_patterns_that_look_around_are_held_within_bounds() -> None:
    schemas = Schemas()
    email = offer("x", {"properties": {"a": {"pattern": r"^(?!\.)[a-z.]+@[a-z.]+$"}}})
    assert schemas.problem(email, {"a": "a@b.c"}) is None and schemas.problem(email, {"a": ".a@b"}) is not None
    slow = offer("x", {"properties": {"a": {"pattern": r"^(?=(a+)+$)(a|aa)+\1$"}}})
    assert schemas.problem(slow, {"a": "a" * 5000 + "!"}) is not None


def test_arguments_that_cannot_be_read_do_not_fit() -> None:
    assert Schemas().problem(offer("x", SCHEMA), {"n": "\ud800"}) is not None
    assert Schemas().problem(offer("x", {"const": 1}), "\ud800") is not None


def test_compiled_schemas_are_kept_within_bounds() -> None:
    schemas = Schemas()
    for n in range(1100):
        schemas.problem(offer("x", {"const": n}), n)
    assert len(schemas._known) == 1000
    schemas.problem(offer("x", {"const": "y" * 70_000}), 1)
    assert len(schemas._known) == 1000
    assert schemas.problem(offer("x", {"const": 1099}), 1099) is None
