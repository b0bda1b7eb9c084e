"""The keys that sign tokens: one ring on every replica, encrypted at rest, rotated as one."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.intents.claims import LONGEST_INTENT, IntentClaims, Step, TokenProblem
from gateway.intents.tokens import Verifier, mint_intent
from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.errors import StoreUnavailable, StoreUnfit
from gateway.store.key_ring import KIND, MOST_RETIRED, SharedKeyRing, TooManyRetired
from gateway.store.sealed import Seal
from tests.store.test_control import replica


def over(control: Control, clock: Callable[[], float] = time.time, root: bytes = b"root") -> SharedKeyRing:
    return SharedKeyRing(control, Seal(root, "token keys", os.urandom), clock=clock, random_bytes=os.urandom)


def token(ring: SharedKeyRing, now: float, life: float = 900) -> str:
    claims = IntentClaims("int_1", "agt_1", None, (Step("s1", "read"),), now, now + life, now, policy="p")
    return mint_intent(claims, ring.ring().current, "leuko", "leuko")


def takes(ring: SharedKeyRing, shown: str, now: float) -> bool:
    try:
        return Verifier(ring.ring, "leuko", "leuko").intent(shown, now).jti == "int_1"
    except TokenProblem:
        return False


def states(ring: SharedKeyRing) -> list[str]:
    return sorted(key.state for key in ring.ring().keys)


async def test_all_replicas_share_one_ring_whoever_makes_it(redis_url: str) -> None:
    async with replica(redis_url) as one, replica(redis_url) as other:
        here, there = over(one), over(other)
        with pytest.raises(StoreUnavailable):
            here.ring()
        await asyncio.gather(here.begin(), there.begin())
        assert here.ring().jwks() == there.ring().jwks() and states(here) == ["current", "next"]
        await here.begin()
        now = time.time()
        assert takes(there, token(here, now), now)


async def test_after_a_rotation_the_next_key_signs_and_the_old_one_verifies_its_tokens_on_every_replica(
    redis_url: str,
) -> None:
    async with replica(redis_url) as one, replica(redis_url) as other:
        here, there = over(one), over(other)
        await here.begin()
        await there.begin()
        now, before = time.time(), here.ring()
        upcoming = next(key.kid for key in before.keys if key.state == "next")
        old = token(here, now)
        await here.rotate()
        assert here.ring().current.kid == there.ring().current.kid == upcoming
        assert states(there) == ["current", "next", "retired"]
        assert [len(ring.ring().jwks()["keys"]) for ring in (here, there)] == [3, 3]
        assert takes(here, old, now) and takes(there, old, now) and takes(there, token(here, now), now)


async def test_a_replica_that_has_not_heard_of_a_rotation_takes_what_the_new_key_signed(redis_url: str) -> None:
    async with replica(redis_url) as one:
        deaf = Control(Connection(redis_url, op_timeout=2), clock=time.monotonic)
        here, there = over(one), over(deaf)
        await here.begin()
        await deaf.begin()
        await here.rotate()
        now = time.time()
        assert there.ring().current.kid != here.ring().current.kid and takes(there, token(here, now), now)
        await deaf._connection.close()


async def test_a_retired_key_goes_when_the_last_of_its_tokens_is_over(redis_url: str) -> None:
    now = time.time()
    async with replica(redis_url) as one:
        ring = over(one, lambda: now)
        await ring.begin()
        old = token(ring, now, LONGEST_INTENT)
        await ring.rotate()
        now += LONGEST_INTENT - 1
        assert takes(ring, old, now) and states(ring) == ["current", "next", "retired"]
        now += 100
        assert not takes(ring, old, now) and states(ring) == ["current", "next"]
        await ring.rotate()
        assert len(ring.ring().jwks()["keys"]) == 3


async def test_of_two_rotations_at_once_one_counts(redis_url: str) -> None:
    async with replica(redis_url, runs=False) as one, replica(redis_url, runs=False) as other:
        here = over(one)
        await here.begin()
        await other.refresh()
        there = over(other)
        await here.rotate()
        with pytest.raises(ChangeConflict):
            await there.rotate()
        assert there.ring().current.kid == here.ring().current.kid


async def test_no_more_keys_are_retired_than_verifiers_should_have_to_keep(redis_url: str) -> None:
    async with replica(redis_url, runs=False) as one:
        ring = over(one)
        await ring.begin()
        one.acknowledged = lambda epoch, within: asyncio.sleep(0, [])  # type: ignore[assignment]  # nobody to wait for
        for _ in range(MOST_RETIRED):
            await ring.rotate()
        with pytest.raises(TooManyRetired, match="16 retired keys"):
            await ring.rotate()


async def test_private_keys_lie_nowhere_in_the_clear(redis_url: str, tmp_path: Path) -> None:
    async with replica(redis_url, tmp_path / "control") as one:
        ring = over(one)
        await ring.begin()
        found = one.get(KIND, "ring")
        secrets = [key.private.private_bytes_raw() for key in ring.ring().keys if key.private is not None]
        kept = str(found) + (tmp_path / "control").read_bytes().decode("latin-1")
        for secret in secrets:
            assert secret.hex() not in kept and secret.decode("latin-1") not in kept
        assert len(secrets) == 2


async def test_a_ring_of_another_secret_is_refused_and_not_replaced(redis_url: str) -> None:
    async with replica(redis_url) as one:
        await over(one).begin()
        stranger = over(one, root=b"another")
        with pytest.raises(StoreUnfit, match="GATEWAY_SECRET"):
            await stranger.begin()


async def test_a_redis_that_comes_back_empty_gets_the_ring_again(redis_url: str) -> None:
    async with replica(redis_url) as one:
        ring = over(one)
        await ring.begin()
        kid = ring.ring().current.kid
        await one._connection.execute("FLUSHALL")
        await one.refresh()
        async with replica(redis_url) as other:
            again = over(other)
            await again.begin()
            assert again.ring().current.kid == kid
