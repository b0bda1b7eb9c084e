"""What an agent reports, in the bounds that the gateway takes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.edge.agents_api.ingest import Reported as Taken
from gateway.sdk.reported import Reported, cleaned, failure

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def test_members_are_those_that_the_gateway_takes() -> None:
    assert set(Reported.__annotations__) == set(Taken.model_fields)


@given(st.dictionaries(st.sampled_from(sorted(Reported.__annotations__)), ANYTHING))
def test_whatever_is_reported_the_gateway_takes_what_is_left(vitals: dict[str, Any]) -> None:
    kept, odd = cleaned(vitals)
    kept.pop("agent_id", None)  # an id is kept as it is, and an odd one is the gateway's to refuse
    Taken.model_validate(kept)
    assert set(odd) <= set(vitals) and not set(odd) & set(kept)


def test_what_is_right_stays_as_it_is() -> None:
    vitals = {"model": "gpt-4o", "input_tokens": 12, "latency_ms": 3.5, "tool_names": ["a", "b"], "stream": True}
    assert cleaned(vitals) == (vitals, [])
    assert cleaned({"turn": None}) == ({}, [])


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("output_tokens", 10**12, 10**9),
        ("output_tokens", -1, 0),
        ("latency_ms", float("inf"), 10**9),
        ("model", "gpt\x1b[31m-4o\n", "gpt[31m-4o"),
        ("model", "m" * 500, "m" * 200),
        ("tool_names", ("a\n", "", 7, "b"), ["a", "b"]),
        ("tool_names", ["t"] * 300, ["t"] * 100),
    ],
)
def test_what_is_too_much_is_cut(name: str, given: Any, kept: Any) -> None:
    assert cleaned({name: given}) == ({name: kept}, [])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("latency_ms", float("nan")),
        ("latency_ms", "12"),
        ("model", " \n"),
        ("model", 7),
        ("conversation", "c" * 300),
        ("conversation", "a\nb"),
        ("stream", 1),
        ("tool_names", "search"),
        ("time", datetime.now(UTC)),
        ("latency", 12),
    ],
)
def test_what_is_nothing_of_the_kind_is_named(name: str, given: Any) -> None:
    assert cleaned({name: given}) == ({}, [name])


def test_an_odd_id_is_the_only_thing_the_gateway_may_refuse() -> None:
    with pytest.raises(ValidationError):
        Taken.model_validate(cleaned({"agent_id": "-"})[0])


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("RateLimitError", 429, 429),
        ("APITimeoutError", None, 504),
        ("APIConnectionError", None, 502),
        ("RateLimitError", None, 429),
        ("InternalServerError", None, 500),
        ("ValueError", None, 0),
        ("ValueError", "nonsense", 0),
        ("ValueError", 7, 0),
    ],
)
def test_whose_fault_it_was_is_told_by_the_status(kind: str, status: object, expected: int) -> None:
    assert failure(kind, status) == {"status": expected, "error_type": kind}
