"""Plausible values from a JSON schema: what a model that never thinks would pass to a tool.

Deterministic, and total: a schema it cannot follow gives an empty value, never an error.
"""

import math
from typing import Any, TypeGuard

_DEPTH = 12
"""How deep a value may nest; schemas may refer to themselves."""

_STEPS = 2000
"""How many schemas are looked at for one value; schemas may refer to each other in exponentially many ways."""

_STRINGS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
"""By `format` (https://json-schema.org/draft/2020-12/json-schema-validation#name-defined-formats)."""

Schema = dict[str, Any]


def plausible_arguments(schema: Any) -> dict[str, Any]:
    """An object for a tool's `parameters` or `input_schema`: only what it requires."""
    value = plausible_value(schema)
    return value if isinstance(value, dict) else {}


def plausible_value(schema: Any) -> Any:
    """A value for the schema: `const`, first `enum`, `default`, first `examples`, else one of its type."""
    return _Maker(schema).value(schema, 0)


class _Maker:
    """Makes one value; counts its steps, so that it ends."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return "example" if schema is True else {}
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        usual = [schema["default"]] if "default" in schema else None
        for choices in (schema.get("enum"), usual, schema.get("examples")):
            if _filled(choices):
                return choices[0]
        return self._of_type(_type(schema), schema, depth + 1) if depth < _DEPTH else None

    def _of_type(self, kind: str | None, schema: Schema, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return _string(schema)
            case "integer":
                return math.floor(_within(schema, step=1))
            case "number":
                return _within(schema, step=0.5)
            case "boolean":
                return True
        return None

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = _mapping(schema.get("properties"))
        names = dict.fromkeys(name for name in _list(schema.get("required")) if isinstance(name, str))
        return {name: self.value(properties.get(name, {"type": "string"}), depth) for name in names}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        fixed = _list(schema.get("prefixItems"))
        least, most = _number(schema.get("minItems")), _number(schema.get("maxItems"))
        count = min(100, max(len(fixed), 1 if least is None else int(least)))
        if most is not None:
            count = min(count, max(0, int(most)))
        items = schema.get("items", {"type": "string"})
        return [self.value(fixed[at] if at < len(fixed) else items, depth) for at in range(count)]

    def _resolved(self, schema: Schema, depth: int) -> Schema:
        """The schema with `$ref` followed, `allOf` merged, and the first alternative that is not null chosen."""
        while depth <= _DEPTH and self._steps < _STEPS:
            self._steps += 1
            if isinstance(schema.get("$ref"), str):
                schema = self._pointed(schema["$ref"])
            elif _filled(schema.get("allOf")):
                parts = [part for part in schema["allOf"] if isinstance(part, dict)]
                schema = _merged(schema, [self._resolved(part, depth + 1) for part in parts])
            elif choices := next((schema[key] for key in ("anyOf", "oneOf") if _filled(schema.get(key))), None):
                chosen = next((one for one in choices if isinstance(one, dict) and one.get("type") != "null"), {})
                schema = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")} | chosen
            else:
                return schema
        return {"const": None}

    def _pointed(self, reference: str) -> Schema:
        """What a local JSON pointer (RFC 6901) names; nothing is fetched."""
        target = self._root if reference.startswith("#") else None
        for step in reference.lstrip("#").split("/")[1:]:
            target = _mapping(target).get(step.replace("~1", "/").replace("~0", "~"))
        return _mapping(target)


def _filled(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _merged(schema: Schema, parts: list[Schema]) -> Schema:
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                whole[key] = _mapping(value) | _mapping(whole.get(key))
            elif key == "required":
                whole[key] = [*_list(value), *_list(whole.get(key))]
            else:
                whole.setdefault(key, value)
    return whole


def _type(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema or not schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _string(schema: Schema) -> str:
    kind = schema.get("format")
    text = _STRINGS.get(kind, "example") if isinstance(kind, str) else "example"
    least, most = _number(schema.get("minLength")), _number(schema.get("maxLength"))
    text = text.ljust(min(1000, int(least or 0)), "x")
    return text if most is None else text[: max(0, int(most))]


def _number(value: Any) -> float | None:
    """A bound, if it is one: `true` is not a number in JSON, and nothing is infinite there."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return value if usable else None


def _within(schema: Schema, step: float) -> float:
    """1, or the nearest value that the bounds and `multipleOf` allow; `step` away from an exclusive bound."""
    least, most = _number(schema.get("minimum")), _number(schema.get("maximum"))
    above, below = _number(schema.get("exclusiveMinimum")), _number(schema.get("exclusiveMaximum"))
    value: float = 1
    if above is not None and value <= above:
        value = above + step
    if least is not None and value < least:
        value = math.ceil(least) if step == 1 else least
    if below is not None and value >= below:
        value = below - step
    if most is not None and value > most:
        value = most
    multiple = _number(schema.get("multipleOf"))
    return math.ceil(value / multiple) * multiple if multiple and multiple > 1e-9 else value
