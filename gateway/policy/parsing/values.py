"""Values that rules compare with: what JSON can hold, and patterns of text."""

from typing import Any

import re2

from gateway.policy.parsing.place import Place, number, text

_DEEPEST = 20
_LONGEST_PATTERN = 2000


def json_value(place: Place, value: Any, deepest: int = _DEEPEST) -> Any:
    """Any value that JSON has. Raises PolicyError for what only YAML has, such as dates and not-a-number."""
    if deepest == 0:
        raise place.error(f"has more than {_DEEPEST} levels")
    if isinstance(value, list):
        for position, item in enumerate(value):
            json_value(place.at(position), item, deepest - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise place.at(str(key)).error("is not a name; allowed: text")
            json_value(place.at(key), item, deepest - 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number(place, value)
    elif value is not None and not isinstance(value, str | bool):
        raise place.error(f"is a {type(value).__name__}; allowed: what JSON can hold")
    return value


def pattern(place: Place, value: object) -> str:
    """A regular expression that RE2 takes: it matches in linear time, whatever text it is given."""
    written = text(place, value, _LONGEST_PATTERN)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(written, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise place.error(f"is {written!r:.80}, no pattern of RE2: {reason:.200}") from None
    return written
