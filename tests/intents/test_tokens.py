"""Tokens that we mint are the ones that we take."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.intents.claims import CallClaims, IntentClaims, Step, TokenProblem
from gateway.intents.keyring import KeyRing, key_of
from gateway.intents.tokens import Verifier, mint_call, mint_intent, stated_audience

KEY = key_of(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ISSUER, AUDIENCE, NOW = "https://gateway.test", "leuko", 1_800_000_000.0
VERIFIER = Verifier(lambda: KeyRing([KEY]), ISSUER, AUDIENCE)
INTENT = IntentClaims(
    jti="int_child",
    agent_id="agt_child",
    principal="alice",
    steps=(
        Step("read", "read_file", None, {"path": "/sim/a"}),
        Step("write", "write_file", "files", None, {"path": {"path_in": ["/sim/**"]}}, 3, ("read",)),
    ),
    issued=NOW,
    expires=NOW + 900,
    not_before=NOW,
    parents=("int_root", "int_parent"),
    execution="plan_only",
    policy="p" * 43,
    act=("agt_parent", "agt_root"),
    key_thumbprint="t" * 43,
    mode="NORMAL",
)
CALL = CallClaims(
    "cal_1", "agt_1", "files", "write_file", "call_1", "h" * 43, "int_1", "d" * 43, "dec_1", NOW, NOW + 60
)


def test_an_intent_comes_back_as_it_was_minted() -> None:
    assert VERIFIER.intent(mint_intent(INTENT, KEY, ISSUER, AUDIENCE), NOW, "agt_child") == INTENT
    assert INTENT.root == "int_root"


def test_a_call_token_comes_back_as_it_was_minted() -> None:
    assert VERIFIER.call(mint_call(CALL, KEY, ISSUER).encode(), NOW, "files", "agt_1") == CALL


@pytest.mark.parametrize(
    ("now", "word"), [(NOW - 5, None), (NOW - 5.1, "not_yet_valid"), (NOW + 904.9, None), (NOW + 905, "expired")]
)
def test_clocks_may_differ_by_five_seconds(now: float, word: str | None) -> None:
    token = mint_intent(INTENT, KEY, ISSUER, AUDIENCE)
    try:
        VERIFIER.intent(token, now)
        found = None
    except TokenProblem as problem:
        found = problem.word
    assert found == word


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.é.c", "a.W10.c", "a.eyJhdWQiOlsieCJdfQ.c"])
def test_what_cannot_be_read_states_no_audience(text: str) -> None:
    assert stated_audience(text) == ""


def test_a_token_states_its_audience() -> None:
    assert stated_audience(mint_call(CALL, KEY, ISSUER)) == "files"
