"""What a browser's session is worth."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest

from gateway.edge.dashboard.sessions import Session, Sessions
from gateway.identity.derived import keyed, subkey
from gateway.store.errors import StoreUnavailable

ROOT = b"root-Hs5uPb2MdEf9GtXo"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Ended:
    """What `store.ended_sessions` keeps; `lost`: Redis does not answer."""

    def __init__(self) -> None:
        self.lost = False
        self.ids: set[str] = set()
        self.generations: dict[str, str] = {}

    async def generation(self, key_id: str) -> str:
        if self.lost:
            raise StoreUnavailable("open", "it is lost", sent=False)
        return self.generations.get(key_id, "")

    async def has(self, key_id: str, session_id: str, generation: str) -> bool:
        return session_id in self.ids or await self.generation(key_id) not in ("", generation)

    async def end(self, session_id: str) -> None:
        self.ids.add(session_id)

    async def end_all(self, key_id: str, generation: str) -> None:
        self.generations[key_id] = generation


def ids() -> Iterator[str]:
    number = 0
    while True:
        yield f"id{(number := number + 1)}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> Ended:
    return Ended()


@pytest.fixture
def sessions(clock: Clock, ended: Ended) -> Sessions:
    return Sessions(ROOT, ended, clock=clock, new_id=ids().__next__, seconds=100, longest=250)


async def test_what_was_sealed_is_opened_by_every_replica_of_the_deployment(
    sessions: Sessions, clock: Clock, ended: Ended
) -> None:
    session = await sessions.begin("adk_1", b"")
    replica, stranger = (Sessions(root, ended, clock=clock, new_id=str) for root in (ROOT, b"another root"))
    assert replica.open(sessions.seal(session)) == session
    assert replica.is_page_token(session, sessions.page_token(session))
    assert stranger.open(sessions.seal(session)) is None
    assert not stranger.is_page_token(session, sessions.page_token(session))


async def test_a_session_ends(sessions: Sessions, clock: Clock) -> None:
    value = sessions.seal(await sessions.begin("adk_1", b""))
    clock.now += 99
    assert sessions.open(value) is not None
    clock.now += 1
    assert sessions.open(value) is None


async def test_one_that_is_used_goes_on_but_not_for_ever(sessions: Sessions, clock: Clock) -> None:
    session = await sessions.begin("adk_1", b"")
    for _ in range(4):
        clock.now += 60
        session = sessions.renewed(session)
    assert session.ends == session.began + 250
    clock.now += 10
    assert sessions.open(sessions.seal(session)) is None


async def test_one_is_bound_to_what_it_began_with(sessions: Sessions) -> None:
    session = await sessions.begin("root", b"digest of a key")
    assert sessions.is_bound(session, b"digest of a key")
    assert not sessions.is_bound(session, b"digest of the next key")
    assert b"digest" not in sessions.seal(session).encode()


def test_one_that_begins_in_the_future_is_none(sessions: Sessions, clock: Clock) -> None:
    value = sessions.seal(Session("root", "id", "", clock.now + 1000, clock.now + 2000, ""))
    assert sessions.open(value) is None


@pytest.mark.parametrize("value", ["", "x", "ä", "=" * 40, "A" * 43, "A" * 501, "AAAA.BBBB", "a\nb"])
def test_anything_else_is_none(sessions: Sessions, value: str) -> None:
    assert sessions.open(value) is None


async def test_no_character_can_be_changed(sessions: Sessions) -> None:
    session = await sessions.begin("adk_1", b"")
    value = sessions.seal(session)
    for place in range(len(value)):
        other = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        assert sessions.open(other) in (None, session)  # the last bits of base64 say nothing
        assert sessions.open(other) is None or place == len(value) - 1


def test_what_another_version_sealed_is_none(sessions: Sessions) -> None:
    key, body = subkey(ROOT, "leuko dashboard session"), b'["root",1000000,1000100,""]'
    assert sessions.open(urlsafe_b64encode(keyed(key, body) + body).decode()) is None


async def test_the_token_of_the_page_is_not_in_the_cookie_and_of_one_session_only(sessions: Sessions) -> None:
    one, other = await sessions.begin("adk_1", b""), await sessions.begin("adk_1", b"")
    assert sessions.is_page_token(sessions.renewed(one), sessions.page_token(one))
    assert sessions.page_token(one) not in sessions.seal(one) and not sessions.is_page_token(
        other, sessions.page_token(one)
    )
    assert not any(
        sessions.is_page_token(one, shown) for shown in ("", "1", "\xff", one.id, sessions.page_token(one)[:-1])
    )


async def test_who_signs_out_ends_one_session_or_all_of_the_key_but_none_that_begins_later(sessions: Sessions) -> None:
    one, other = await sessions.begin("adk_1", b""), await sessions.begin("adk_1", b"")
    of_another_key = await sessions.begin("adk_2", b"")
    await sessions.end(one)
    assert [await sessions.is_over(each) for each in (one, sessions.renewed(one), other)] == [True, True, False]
    await sessions.end_all("adk_1")
    later = await sessions.begin("adk_1", b"")
    assert [await sessions.is_over(each) for each in (other, later, of_another_key)] == [True, False, False]
    await sessions.end_all("adk_1")
    assert await sessions.is_over(later)


async def test_one_that_began_without_redis_is_over_if_all_had_to_end(sessions: Sessions, ended: Ended) -> None:
    ended.lost = True
    session = await sessions.begin("root", b"")
    with pytest.raises(StoreUnavailable):
        await sessions.is_over(session)
    ended.lost = False
    assert not await sessions.is_over(session)
    await sessions.end_all("root")
    assert await sessions.is_over(session)
