from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo.stub_arguments import plausible_arguments, plausible_value


@pytest.mark.parametrize(
    "schema, value",
    [
        ({"const": 3, "enum": [1]}, 3),
        ({"enum": ["a", "b"], "default": "b"}, "a"),
        ({"type": "string", "default": "d", "examples": ["e"]}, "d"),
        ({"type": "string", "default": None}, None),
        ({"type": "string", "examples": ["e", "f"]}, "e"),
        ({"type": "string"}, "example"),
        ({"type": "string", "minLength": 9}, "examplexx"),
        ({"type": "string", "maxLength": 2}, "ex"),
        ({"type": "string", "format": "email"}, "someone@example.com"),
        ({"type": "string", "format": "made-up"}, "example"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "minimum": 11, "multipleOf": 5}, 15),
        ({"type": "number", "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "minimum": 2.5}, 2.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}, [1, True]),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"oneOf": [{"type": "string"}], "title": "T"}, "example"),
        ({"allOf": [{"type": "object", "required": ["a"]}, {"required": ["b"]}]}, {"b": "example", "a": "example"}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}, 1),
        ({"$ref": "https://example.com/schema"}, {}),
        ({}, {}),
        (True, "example"),
        (None, {}),
    ],
)
def test_the_first_thing_that_the_schema_names_is_taken(schema: Any, value: Any) -> None:
    assert plausible_value(schema) == value


def test_only_what_is_required_is_given_at_every_depth() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"]}
    schema = {
        "properties": {"in": inner, "list": {"type": "array", "items": inner}, "out": {}},
        "required": ["in", "list"],
    }
    assert plausible_arguments(schema) == {"in": {"x": 1}, "list": [{"x": 1}]}


def test_arguments_are_an_object_whatever_the_schema_says() -> None:
    assert plausible_arguments({"type": "string"}) == {}
    assert plausible_arguments(None) == {}


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "also": {"$ref": "#"}},
        "required": ["next", "also"],
    }
    assert isinstance(plausible_arguments(node), dict)
    assert plausible_value({"$ref": "#"}) is None
    assert plausible_value({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}) is None


KEYWORDS = [
    "type",
    "properties",
    "items",
    "required",
    "enum",
    "anyOf",
    "allOf",
    "$ref",
    "minimum",
    "minItems",
    "format",
]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["object", "array", "number", "#", "#/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(schema=ANYTHING)
def test_no_schema_is_an_error(schema: Any) -> None:
    assert isinstance(plausible_arguments(schema), dict)
