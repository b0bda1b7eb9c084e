"""A session's id is of use to the agent it was given to, at the server it was given for, and to nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.phases.mcp.sessions import Sessions

SESSIONS = Sessions(b"secret")


@given(st.binary(min_size=1, max_size=80))
def test_the_agent_gets_the_servers_id_back(session: bytes) -> None:
    sealed = SESSIONS.seal("files", "agt_1", session)
    assert SESSIONS.open("files", "agt_1", sealed) == session
    assert all(0x21 <= byte <= 0x7E for byte in sealed)


def test_it_is_of_no_use_to_others_or_elsewhere() -> None:
    sealed = SESSIONS.seal("files", "agt_1", b"s1")
    assert SESSIONS.open("files", "agt_2", sealed) is None
    assert SESSIONS.open("mail", "agt_1", sealed) is None
    assert Sessions(b"other").open("files", "agt_1", sealed) is None


def test_names_cannot_be_moved_into_one_another() -> None:
    assert SESSIONS.open("a", "bc", SESSIONS.seal("ab", "c", b"s")) is None


@given(st.binary(max_size=60))
def test_what_was_never_given_is_nothing(sealed: bytes) -> None:
    assert SESSIONS.open("files", "agt_1", sealed) is None


def test_the_servers_own_id_is_nothing() -> None:
    assert SESSIONS.open("files", "agt_1", b"0123456789abcdef0123456789abcdef") is None
