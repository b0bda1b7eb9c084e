"""Agents without a key of ours, told apart by what they show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import fingerprint
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.errors import Refusal

SECRET = b"a deployment's root secret"


def test_the_same_credential_and_hint_are_the_same_agent_everywhere() -> None:
    first, second = Fingerprinter(SECRET), Fingerprinter(SECRET)
    assert first.agent(b"sk-1", b"planner") == second.agent(b"sk-1", b"planner")


@given(
    st.sets(
        st.tuples(st.binary(max_size=6), st.none() | st.text("ab\x00", max_size=4).map(str.encode)),
        min_size=2,
        max_size=8,
    )
)
def test_different_credentials_or_hints_are_different_agents(shown: set[tuple[bytes, bytes | None]]) -> None:
    distinct = {(credential, hint or b"") for credential, hint in shown}
    agents = {Fingerprinter(SECRET).agent(credential, hint).agent_id for credential, hint in shown}
    assert len(agents) == len(distinct)


def test_another_secret_gives_another_id() -> None:
    assert Fingerprinter(SECRET).agent(b"sk", None) != Fingerprinter(SECRET + b"!").agent(b"sk", None)


def test_only_the_end_of_a_long_credential_is_shown() -> None:
    agent = Fingerprinter(SECRET).agent(b"sk-proj-0123456789-a1b2", None)
    assert agent.credential == "…a1b2"
    assert Fingerprinter(SECRET).agent(b"short", None).credential is None


@pytest.mark.parametrize("hint", [b"x" * 129, b"caf\xc3\xa9"])
def test_a_hint_that_is_long_or_not_ascii_is_refused(hint: bytes) -> None:
    with pytest.raises(Refusal):
        Fingerprinter(SECRET).agent(b"sk", hint)


def test_what_is_remembered_does_not_grow_with_what_callers_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_CACHE_LIMIT", 10)
    names = Fingerprinter(SECRET)
    for number in range(100):
        names.agent(b"sk-%d" % number, None)
    assert len(names._known) <= 10
