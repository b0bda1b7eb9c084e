"""What is said of a provider that fails."""

from typing import Any

import pytest

from gateway.commands.provider_health import failing, told

OPEN = {"model": "gpt-4o", "state": "open", "seconds": 44.6, "workers": 2}


def provider(calls: int = 0, failed: int = 0, *circuits: dict[str, Any]) -> dict[str, Any]:
    return {"name": "mine", "health": {"calls": calls, "failed": failed, "limited": 0, "circuits": list(circuits)}}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"name": "mine", "health": None}, None),
        ({"name": "of another version"}, None),
        (provider(7, 1), "1 of 7 failed"),
        (provider(7, 7, OPEN), "7 of 7 failed, gpt-4o not asked for 45 s"),
        (provider(7, 7, OPEN | {"model": None}), "7 of 7 failed, all of it not asked for 45 s"),
        (provider(7, 7, OPEN | {"state": "ramping"}), "7 of 7 failed"),
    ],
)
def test_its_calls_are_told_and_what_is_not_asked(one: dict[str, Any], expected: str | None) -> None:
    assert told(one) == expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"name": "mine", "health": None}, False),
        (provider(4, 4), False),
        (provider(5, 1), True),
        (provider(6, 1), False),
        (provider(0, 0, OPEN), True),
        (provider(0, 0, OPEN | {"state": "probing"}), False),
    ],
)
def test_a_fifth_that_fails_is_failing_and_what_is_not_asked_any_more(one: dict[str, Any], expected: bool) -> None:
    assert failing(one) is expected
