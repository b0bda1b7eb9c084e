"""Whether arguments fit the JSON Schema that the request itself gives for a tool.

No reference is ever followed out of the schema. Patterns run in linear time; those that need to look around (as e-mail
patterns of common libraries do) take so many steps at most that nobody can hold the gateway up with them.
"""

from typing import Any

import jsonschema_rs
import orjson

from gateway.model.ask import OfferedTool
from gateway.model.bounded import make_room

_REMEMBERED = 1000
_REMEMBERED_BYTES = 64 * 1024
_LONGEST = 1024 * 1024
_STEPS = 10_000


class Schemas:
    """Compiled schemas by their text: agents send the same tools with every request."""

    def __init__(self) -> None:
        self._known: dict[bytes, jsonschema_rs.Validator | None] = {}

    def problem(self, tool: OfferedTool, arguments: Any) -> str | None:
        """What is wrong with the arguments, without a word of them; None: nothing, or the tool has no schema."""
        schema = schema_of(tool)
        if schema is None:
            return None
        validator = self._compiled(schema)
        if validator is None:
            return "the tool's own schema cannot be read"
        try:
            fits = validator.is_valid(arguments)
        except ValueError:
            fits = False
        return None if fits else "the arguments do not fit the tool's own schema"

    def _compiled(self, schema: Any) -> jsonschema_rs.Validator | None:
        try:
            key = orjson.dumps(schema)
        except (TypeError, ValueError):  # numbers of more than 64 bits, deeper than anybody writes
            return None
        if key in self._known:
            return self._known[key]
        validator = _compile(schema) if len(key) <= _LONGEST else None
        if len(key) <= _REMEMBERED_BYTES:
            make_room(self._known, _REMEMBERED)
            self._known[key] = validator
        return validator


def schema_of(tool: OfferedTool) -> Any:
    """The schema of its arguments, wherever the dialect has it; None where it has none."""
    definition = tool.definition
    inner = definition.get("function")
    for holder, name in ((inner, "parameters"), (definition, "parameters"), (definition, "input_schema")):
        if isinstance(holder, dict) and holder.get(name) is not None:
            return holder[name]
    return None


def _compile(schema: Any) -> jsonschema_rs.Validator | None:
    if not isinstance(schema, dict | bool):  # a text would be read as JSON
        return None
    for patterns in (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS)):
        try:
            return jsonschema_rs.validator_for(schema, pattern_options=patterns, retriever=_retrieve)
        except (ValueError, jsonschema_rs.ReferencingError):
            continue
    return None


def _retrieve(uri: str) -> Any:
    raise ValueError("references to other documents are not followed")
