"""Claims and their JSON: exact in both directions."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intents.claims import CallClaims, IntentClaims, Step, TokenProblem
from gateway.intents.payload import of_call, of_intent, read_call, read_intent
from gateway.intents.tokens import mint_call, mint_intent
from tests.intents.test_tokens import CALL, INTENT, KEY, NOW

_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_times = st.integers(1, 2**31)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | _names,
    lambda inner: st.lists(inner, max_size=2),
)
_steps = st.lists(
    st.builds(
        Step,
        id=_names,
        tool=_names,
        server=st.none() | _names,
        arguments=st.none() | st.dictionaries(_names, _json, max_size=2),
        constraints=st.none() | st.dictionaries(_names, st.dictionaries(_names, _json, max_size=2), max_size=2),
        max_uses=st.integers(1, 1_000_000),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda step: step.id,
)


@given(_steps, _times, st.integers(0, 24 * 3600), _times, st.lists(_names, max_size=4), st.lists(_names, max_size=4))
def test_an_intent_s_payload_reads_as_what_it_was_made_of(
    steps: list[Step], issued: int, life: int, not_before: int, parents: list[str], act: list[str]
) -> None:
    ordered = [replace(step, after=(steps[0].id,)) for step in steps]
    claims = IntentClaims(
        "int_1", "agt_1", None, tuple(ordered), issued, issued + life, not_before, tuple(parents), policy="p",
        act=tuple(act),
    )  # fmt: skip
    assert read_intent(of_intent(claims, "i", "a"), "i", "a") == claims


def test_times_are_whole_seconds_and_never_later_than_said() -> None:
    claims = replace(INTENT, issued=NOW + 0.9, not_before=NOW + 0.9, expires=NOW + 60.9)
    payload = of_intent(claims, "i", "a")
    assert (payload["iat"], payload["nbf"], payload["exp"]) == (NOW, NOW, NOW + 60)


def test_a_payload_names_principal_actors_and_steps_as_the_rfcs_do() -> None:
    payload = of_intent(INTENT, "i", "a")
    assert payload["sub"] == "alice"
    assert payload["act"] == {"sub": "agt_child", "act": {"sub": "agt_parent", "act": {"sub": "agt_root"}}}
    assert payload["cnf"] == {"kid": "t" * 43}
    assert (payload["parent"], payload["mode"], payload["execution"]) == ("int_parent", "NORMAL", "plan_only")
    assert payload["authorization_details"][1] == {
        "type": "tool_call",
        "id": "write",
        "tool": "write_file",
        "server": "files",
        "constraints": {"path": {"path_in": ["/sim/**"]}},
        "max_uses": 3,
        "after": ["read"],
    }


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *[(name, None) for name in ("iss", "aud", "act", "iat", "exp", "jti", "tool", "call_id", "args_hash", "dec")],
        ("act", {}),
        ("exp", int(NOW) + 61),
        ("exp", int(NOW) - 1),
        ("aud", ["files"]),
        ("intent", 1),
        ("tdef", []),
    ],
)
def test_a_call_s_payload_with_anything_else_is_malformed(member: str, value: Any) -> None:
    with pytest.raises(TokenProblem, match="malformed"):
        read_call(of_call(CALL, "i") | {member: value}, "i", "files")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": ()},
        {"expires": NOW + 24 * 3600 + 1},
        {"execution": "always"},
        {"steps": (Step("", "read"),)},
        {"steps": (Step("a", "read"), Step("a", "write"))},
        {"steps": (Step("a", "read", after=("b",)),), "parents": ()},
        {"parents": tuple("abcde")},
        {"agent_id": ""},
    ],
)
def test_no_intent_is_minted_that_nobody_would_take(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not what this gateway writes"):
        mint_intent(replace(INTENT, **change), KEY, "i", "a")


def test_no_intent_is_minted_with_a_number_that_is_not_read_as_it_was_written() -> None:
    with pytest.raises(ValueError, match="not JSON that all read alike"):
        mint_intent(replace(INTENT, steps=(Step("a", "pay", None, {"amount": 1e16}),)), KEY, "i", "a")


def test_a_narrower_intent_may_wait_for_a_step_of_its_parent() -> None:
    steps = (Step("write", "write_file", after=("read",)),)
    assert mint_intent(replace(INTENT, steps=steps), KEY, "i", "a")


def test_no_call_token_is_minted_for_longer_than_a_minute() -> None:
    with pytest.raises(ValueError, match="`exp`"):
        mint_call(replace(CALL, expires=NOW + 61), KEY, "i")


def test_a_call_outside_intents_has_no_intent() -> None:
    bare = CallClaims("c", "agt_1", "tools", "t", "call_1", "h", None, None, "dec_1", 1, 2)
    assert read_call(of_call(bare, "i"), "i", "tools") == bare
    assert not {"intent", "tdef"} & of_call(bare, "i").keys()
