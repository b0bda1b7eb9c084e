"""The issuer's keys, from files and from a real server."""

import asyncio
import json
from pathlib import Path

from gateway.background.follow_jwks import FollowJWKS
from tests.support.upstream import ScriptedUpstream, answer, json_answer


class Uses:
    """Keeps what it is given; refuses sets that say so."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self.now = 0.0

    def __call__(self, jwks: object) -> None:
        if jwks == {"keys": []}:
            raise ValueError("has no key")
        self.all.append(jwks)


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    path, uses = tmp_path / "jwks.json", Uses()
    path.write_text(json.dumps({"keys": [1]}))
    follow = FollowJWKS(str(path), uses, clock=lambda: uses.now)
    assert await follow.refresh()
    path.write_text(json.dumps({"keys": [2]}))
    uses.now = 5
    assert not await follow.refresh()
    uses.now = 20
    assert await follow.refresh()
    assert uses.all == [{"keys": [1]}, {"keys": [2]}]


async def test_callers_at_the_same_time_share_one_fetch_and_what_fails_changes_nothing() -> None:
    uses = Uses()
    scripts = [json_answer({"keys": [1]}), answer(500), answer(200, b"{"), json_answer({"keys": []})]
    async with ScriptedUpstream(scripts) as upstream:
        follow = FollowJWKS(f"{upstream.url}/jwks", uses, clock=lambda: uses.now)
        assert all(await asyncio.gather(*(follow.refresh() for _ in range(5))))
        assert len(upstream.requests) == 1
        for _ in range(3):
            uses.now += 20
            assert await follow.refresh()
        assert len(upstream.requests) == 4
    uses.now += 20
    assert await follow.refresh()
    assert uses.all == [{"keys": [1]}]


async def test_an_endless_answer_is_left() -> None:
    uses = Uses()
    async with ScriptedUpstream(answer(200, b" " * (2 << 20))) as upstream:
        await FollowJWKS(upstream.url, uses, clock=lambda: uses.now).refresh()
    assert uses.all == []
