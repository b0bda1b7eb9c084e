"""Agents without a key of ours, told apart by what they show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import fingerprint
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.errors import Refusal

SECRET = b"a deployment's root secret"


def fields(hint: bytes | None = None, client: bytes | None = None) -> dict[bytes, bytes]:
    shown = {b"x-agent-id": hint, b"user-agent": client}
    return {name: value for name, value in shown.items() if value is not None}


def test_the_same_credential_and_hint_are_the_same_agent_everywhere() -> None:
    first, second = Fingerprinter(SECRET), Fingerprinter(SECRET)
    assert first.agent(b"sk-1", fields(b"planner")) == second.agent(b"sk-1", fields(b"planner"))


@given(
    st.sets(
        st.tuples(st.binary(max_size=6), st.none() | st.text("ab\x00", max_size=4).map(str.encode)),
        min_size=2,
        max_size=8,
    )
)
def test_different_credentials_or_hints_are_different_agents(shown: set[tuple[bytes, bytes | None]]) -> None:
    distinct = {(credential, hint or b"") for credential, hint in shown}
    agents = {Fingerprinter(SECRET).agent(credential, fields(hint)).agent_id for credential, hint in shown}
    assert len(agents) == len(distinct)


def test_the_kind_of_client_counts_only_where_the_agent_is_not_named() -> None:
    names = Fingerprinter(SECRET)

    def agents(*clients: bytes, hint: bytes | None = None) -> set[str]:
        return {names.agent(b"sk-1", fields(hint, client)).agent_id for client in clients}

    versions = b"OpenAI/Python 3.52.0", b"AsyncOpenAI/Python 3.53.1"
    assert len(agents(*versions)) == 1
    assert len(agents(*versions, b"claude-cli/2.1")) == 2
    assert len(agents(*versions, b"claude-cli/2.1", hint=b"planner")) == 1


def test_a_hint_cannot_be_made_to_look_like_a_client() -> None:
    names = Fingerprinter(SECRET)
    assert names.agent(b"sk", fields(b"curl")).agent_id != names.agent(b"sk", fields(client=b"curl")).agent_id


def test_all_agents_of_a_credential_have_its_id_in_common() -> None:
    names = Fingerprinter(SECRET)
    one, two, other = names.agent(b"sk-1", {}), names.agent(b"sk-1", fields(b"a")), names.agent(b"sk-2", {})
    assert one.credential_id == two.credential_id != other.credential_id
    assert "sk-1" not in one.credential_id


def test_the_evidence_says_what_counted() -> None:
    named = Fingerprinter(SECRET).agent(b"sk-1", fields(b"planner", b"curl/8"))
    assert [one.kind for one in named.evidence] == ["credential", "agent_id_header"]
    unnamed = Fingerprinter(SECRET).agent(None, fields(client=b"curl/8"))
    assert [(one.kind, one.detail) for one in unnamed.evidence] == [("credential", None), ("client", "curl")]
    assert named.evidence[0].score > unnamed.evidence[0].score


def test_another_secret_gives_another_id() -> None:
    one, other = Fingerprinter(SECRET).agent(b"sk", {}), Fingerprinter(SECRET + b"!").agent(b"sk", {})
    assert one.agent_id != other.agent_id and one.credential_id != other.credential_id


def test_only_the_end_of_a_long_credential_is_shown() -> None:
    agent = Fingerprinter(SECRET).agent(b"sk-proj-0123456789-a1b2", {})
    assert agent.credential == "…a1b2"
    assert Fingerprinter(SECRET).agent(b"short", {}).credential is None


@pytest.mark.parametrize("hint", [b"x" * 129, b"caf\xc3\xa9"])
def test_a_hint_that_is_long_or_not_ascii_is_refused(hint: bytes) -> None:
    with pytest.raises(Refusal):
        Fingerprinter(SECRET).agent(b"sk", fields(hint))


def test_what_is_remembered_does_not_grow_with_what_callers_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_CACHE_LIMIT", 10)
    names = Fingerprinter(SECRET)
    for number in range(100):
        names.agent(b"sk-%d" % number, {})
    assert len(names._known) <= 10


def test_ids_derived_from_an_agent_are_its_own() -> None:
    names = Fingerprinter(SECRET)
    one, two = names.agent(b"sk-1", {}), names.agent(b"sk-2", {})
    ids = [one.agent_id, names.derived(one, b"a"), names.derived(one, b"b"), names.derived(two, b"a")]
    assert len({*ids, names.shared(one), names.shared(two)}) == 6
    assert names.shared(one) == names.shared(names.agent(b"sk-1", fields(b"planner")))


def test_what_agents_have_in_common_is_kept_once() -> None:
    some = [Fingerprinter(SECRET).agent(b"sk-%d" % number, {b"x-agent-id": b"a"}) for number in range(2)]
    assert some[0].evidence[0] is some[1].evidence[0] and some[0].evidence[1] is some[1].evidence[1]
