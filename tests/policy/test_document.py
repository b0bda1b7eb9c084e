from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.policy.bounds import BUDGETS, LIMITS, Bound
from gateway.policy.document import Match, parse, parse_all
from gateway.policy.errors import PolicyError
from gateway.policy.reading import read


def test_a_document_says_whom_it_is_about_and_what_it_bounds() -> None:
    document = parse(
        {
            "name": "ops",
            "match": {"agents": ["sre-*"], "teams": ["platform"], "environments": ["prod"]},
            "limits": {"requests_per_minute": 60, "concurrent": 0},
            "budgets": {"usd_per_day": 0.1, "tool_calls_per_conversation": 100},
            "default": "allow",
            "immune": {"mode": "enforce"},
        },
        "ops.yaml",
    )
    assert document.match == Match(("sre-*",), ("platform",), ("prod",))
    assert document.bounds == (
        Bound("requests_per_minute", LIMITS["requests_per_minute"], 60, False),
        Bound("concurrent", LIMITS["concurrent"], 0, False),
        Bound("usd_per_day", BUDGETS["usd_per_day"], 100_000_000, True),
        Bound("tool_calls_per_conversation", BUDGETS["tool_calls_per_conversation"], 100, True),
    )


def test_a_name_is_all_a_document_needs() -> None:
    assert parse({"name": "empty", "match": None}, "x").bounds == ()


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ({"name": None}, "name: is missing"),
        ({"name": "Has Space"}, "name: is 'Has Space'; allowed: up to 64"),
        ({"limit": {}}, "limit: is not known; did you mean limits?"),
        ({"default": 3}, "default: is 3; allowed: allow, deny"),
        ({1: 2}, "1: is not known; allowed: name, match"),
        ({"match": []}, "match: is []; allowed: a mapping"),
        ({"match": {"agent": ["a"]}}, "match.agent: is not known; did you mean agents?"),
        ({"match": {"agents": "a"}}, "match.agents: is 'a'; allowed: a list"),
        ({"match": {"agents": []}}, "match.agents: is []; allowed: a list of 1"),
        ({"match": {"agents": ["a", 3]}}, "match.agents[1]: is 3; allowed: up to 200 characters"),
        ({"limits": {"requests_per_minut": 1}}, "limits.requests_per_minut: is not known; did you mean requests_per_"),
        ({"limits": {"usd_per_day": 1}}, "limits.usd_per_day: is not known; allowed: requests_per_minute"),
        ({"limits": {"concurrent": -1}}, "limits.concurrent: is -1; allowed: a whole number from 0"),
        ({"limits": {"concurrent": True}}, "limits.concurrent: is True; allowed"),
        ({"limits": {"concurrent": 1.5}}, "limits.concurrent: is 1.5; allowed"),
        ({"limits": {"concurrent": None}}, "limits.concurrent: is missing; allowed"),
        ({"budgets": {"usd_per_day": float("nan")}}, "budgets.usd_per_day: is nan; allowed: US dollars"),
        ({"budgets": {"usd_per_day": "5"}}, "budgets.usd_per_day: is '5'; allowed: US dollars"),
        ({"budgets": {"usd_per_day": 10**7}}, "budgets.usd_per_day: is 10000000; allowed: US dollars"),
        ({"immune": True}, "immune: is True; allowed: a mapping"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_is_allowed(member: dict[Any, Any], says: str) -> None:
    with pytest.raises(PolicyError) as raised:
        parse({"name": "ops", **member}, "ops.yaml")
    assert str(raised.value).startswith(f"ops.yaml: {says}")


def test_two_documents_cannot_have_one_name() -> None:
    with pytest.raises(PolicyError, match="b.yaml: name: 'ops' is also the name of a.yaml"):
        parse_all([({"name": "ops"}, "a.yaml"), ({"name": "ops"}, "b.yaml")])
    assert [document.source for document in parse_all([({"name": "a"}, "1"), ({"name": "b"}, "2")])] == ["1", "2"]


TEMPLATES = Path(__file__).parents[2] / "gateway" / "policies" / "templates"
DOCUMENTS = [read(path.read_text("utf-8"), path.name) for path in sorted(TEMPLATES.glob("*.yaml"))]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every member of a document, as the keys that lead to it."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*above, key)
        yield from places(member, (*above, key))


@settings(max_examples=300)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 10**6), JSON)
@example(DOCUMENTS[0], 0, 10**400)
def test_whatever_stands_in_a_member_the_document_is_read_or_refused(whole: Any, position: int, value: Any) -> None:
    document = deepcopy(whole)
    found = list(places(document))
    *above, last = found[position % len(found)]
    inner = document
    for key in above:
        inner = inner[key]
    inner[last] = value
    try:
        parse(document, "x.yaml")
    except PolicyError as error:
        assert error.problem
        assert len(str(error)) < 1000
