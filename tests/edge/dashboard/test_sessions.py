"""What a browser's session is worth."""

import pytest

from gateway.edge.dashboard.sessions import Session, Sessions

ROOT = b"root-Hs5uPb2MdEf9GtXo"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(ROOT, clock=clock, seconds=100, longest=250)


def test_what_was_sealed_is_opened_by_every_replica_of_the_deployment(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin("adk_1", b"")
    assert Sessions(ROOT, clock=clock).open(sessions.seal(session)) == session
    assert Sessions(b"another root", clock=clock).open(sessions.seal(session)) is None


def test_a_session_ends(sessions: Sessions, clock: Clock) -> None:
    value = sessions.seal(sessions.begin("adk_1", b""))
    clock.now += 99
    assert sessions.open(value) is not None
    clock.now += 1
    assert sessions.open(value) is None


def test_one_that_is_used_goes_on_but_not_for_ever(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin("adk_1", b"")
    for _ in range(4):
        clock.now += 60
        session = sessions.renewed(session)
    assert session.ends == session.began + 250
    clock.now += 10
    assert sessions.open(sessions.seal(session)) is None


def test_one_is_bound_to_what_it_began_with(sessions: Sessions) -> None:
    session = sessions.begin("root", b"digest of a key")
    assert sessions.holds(session, b"digest of a key")
    assert not sessions.holds(session, b"digest of the next key")
    assert b"digest" not in sessions.seal(session).encode()


def test_one_that_begins_in_the_future_is_none(sessions: Sessions, clock: Clock) -> None:
    value = sessions.seal(Session("root", clock.now + 1000, clock.now + 2000, ""))
    assert sessions.open(value) is None


@pytest.mark.parametrize("value", ["", "x", "ä", "=" * 40, "A" * 43, "A" * 501, "AAAA.BBBB", "a\nb"])
def test_anything_else_is_none(sessions: Sessions, value: str) -> None:
    assert sessions.open(value) is None


def test_no_character_can_be_changed(sessions: Sessions) -> None:
    session = sessions.begin("adk_1", b"")
    value = sessions.seal(session)
    for place in range(len(value)):
        other = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        assert sessions.open(other) in (None, session)  # the last bits of base64 say nothing
        assert sessions.open(other) is None or place == len(value) - 1
