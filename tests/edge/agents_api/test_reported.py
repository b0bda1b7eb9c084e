"""What agents say, in a form that can be recorded."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gateway.edge.agents_api.reported import Members, redacted


class Report(BaseModel):
    context: Members


@pytest.mark.parametrize("value", [{}, {"a": [1, 2.5, None, True, "x", {"b": []}]}, {"n": 2**53, "m": -(2**53)}])
def test_what_json_readers_agree_on_is_kept(value: dict[str, Any]) -> None:
    assert Report(context=value).context == value


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return {"a": value}


@pytest.mark.parametrize(
    "value", [{"n": 2**53 + 1}, {"n": float("nan")}, {"n": [float("inf")]}, nested(18), nested(5000)]
)
def test_what_they_do_not_agree_on_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Report(context=value)
    assert Report(context=nested(16)).context


def test_names_and_texts_at_any_depth_are_redacted() -> None:
    covered = redacted({"key": ["a key", {"key": 7}]}, lambda text: text.replace("key", "*"))
    assert covered == {"*": ["a *", {"*": 7}]}
