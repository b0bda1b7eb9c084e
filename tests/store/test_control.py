"""Several replicas in one loop, on a real Redis that is emptied, set back, cut off and killed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.control_file import ControlFile
from gateway.store.errors import StoreError
from tests.support.redis import RedisServer
from tests.support.redis_sets import ClusterSet, SentinelSet
from tests.support.waiting import until


@asynccontextmanager
async def replica(
    url: str, path: Path | None = None, *, runs: bool = True, op_timeout: float = 2.0
) -> AsyncIterator[Control]:
    connection = Connection(url, op_timeout=op_timeout, connect_timeout=2)
    control = Control(connection, clock=time.monotonic, file=ControlFile(path) if path else None)
    await control.begin()
    tasks = [asyncio.create_task(connection.watch())]
    if runs:
        tasks.append(asyncio.create_task(control.run()))
    try:
        yield control
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.close()


def told(control: Control, kind: str = "key") -> list[tuple[str, dict[str, Any]]]:
    heard: list[tuple[str, dict[str, Any]]] = []
    control.on(kind, lambda id, data, epoch: heard.append((id, data)))
    return heard


async def test_a_change_is_applied_here_at_once_and_everywhere_soon(redis_url: str) -> None:
    async with replica(redis_url) as one, replica(redis_url) as other:
        heard, elsewhere = told(one), told(other)
        epoch = await one.change("key", "k1", {"revoked": True})
        assert heard == [("k1", {"revoked": True})]
        assert await other.acknowledged(epoch, 5) == []
        assert elsewhere == heard
        assert one.get("key", "k1") == other.get("key", "k1") == ({"revoked": True}, epoch)
        assert one.epoch == other.epoch == epoch


async def test_epochs_grow_and_only_the_newest_change_of_a_thing_counts(redis_url: str) -> None:
    async with replica(redis_url, runs=False) as one:
        epochs = [await one.change("key", "k1", {"n": n}) for n in range(5)]
        assert epochs == sorted(set(epochs))
        async with replica(redis_url, runs=False) as late:
            assert list(late.items("key")) == [("k1", {"n": 4}, epochs[-1])]
            assert told(late) == [("k1", {"n": 4})]
            assert told(late, "route") == []


async def test_more_changes_than_one_poll_takes_arrive_all(redis_url: str) -> None:
    async with replica(redis_url, runs=False) as one, replica(redis_url, runs=False) as other:
        await one.change("key", "first", {})
        await other.refresh()
        await asyncio.gather(*(one.change("key", f"k{n}", {"n": n}) for n in range(450)))
        await other.refresh()
        assert len(list(other.items("key"))) == 451
        assert other.epoch == one.epoch


async def test_a_change_of_what_somebody_else_changed_is_refused_if_asked_to(redis_url: str) -> None:
    async with replica(redis_url, runs=False) as one, replica(redis_url, runs=False) as other:
        epoch = await one.change("key", "k1", {"n": 1}, expected=0)
        with pytest.raises(ChangeConflict):
            await other.change("key", "k1", {"n": 2}, expected=0)
        assert other.get("key", "k1") == ({"n": 1}, epoch)
        assert await other.change("key", "k1", {"n": 2}, expected=epoch) > epoch


async def test_a_listener_that_fails_keeps_nobody_from_hearing(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with replica(redis_url, runs=False) as one:
        one.on("key", lambda id, data, epoch: print(1 / 0))
        heard = told(one)
        await one.change("key", "k1", {})
        assert heard and "ZeroDivisionError" in caplog.text


async def test_messages_lost_are_made_up_for_by_the_poll(own_redis: RedisServer) -> None:
    async with replica(own_redis.url) as one, replica(own_redis.url) as other:
        for n in range(5):
            own_redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
            epoch = await one.change("key", f"k{n}", {})
            assert await one.acknowledged(epoch, 5) == []
        assert len(list(other.items("key"))) == 5


@pytest.mark.parametrize("during", [0, 3])
async def test_a_redis_that_is_emptied_is_filled_again(own_redis: RedisServer, during: int) -> None:
    """Also when something was changed, by a replica that knew nothing, before the others came to see it."""
    async with replica(own_redis.url) as one, replica(own_redis.url) as other:
        epochs = [await one.change("key", f"k{n}", {"n": n}) for n in range(3)]
        assert await one.acknowledged(epochs[-1], 5) == []
        own_redis.ask("FLUSHALL")
        if during:
            async with replica(own_redis.url) as fresh:
                for n in range(during):
                    await fresh.change("key", f"k{n}", {"n": 10 + n})
        await until(lambda: one.refilled + other.refilled >= (0 if during else 3))
        epoch = await other.change("route", "r", {})
        assert epoch > max(epochs)
        assert await one.acknowledged(epoch, 5) == []
        async with replica(own_redis.url, runs=False) as late:
            for control in (one, other, late):
                assert {id: data["n"] for id, data, _ in control.items("key")} == {
                    f"k{n}": n + (10 if during else 0) for n in range(3)
                }


async def test_a_redis_that_is_set_back_gets_what_it_lost(own_redis: RedisServer) -> None:
    async with replica(own_redis.url, runs=False) as one, replica(own_redis.url, runs=False) as fresh:
        connection = Connection(own_redis.url, op_timeout=2)
        names = (connection.keys.control_log, connection.keys.control_state)
        await one.change("key", "k1", {"n": 1})
        older = {name: await connection.execute("DUMP", name) for name in names}
        await one.change("key", "k1", {"n": 2})
        await one.change("key", "k2", {"n": 3})
        for name, value in older.items():
            await connection.execute("RESTORE", name, 0, value, "REPLACE")
        await fresh.change("key", "k2", {"n": 4})  # knows nothing of what was lost
        await one.refresh()
        await fresh.refresh()
        for control in (one, fresh):
            assert {id: data["n"] for id, data, _ in control.items("key")} == {"k1": 2, "k2": 4}
        assert (one.refilled, one.epoch) == (1, fresh.epoch)
        await connection.close()


async def test_what_is_on_disk_fills_an_empty_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    async with replica(own_redis.url, path, runs=False) as one:
        epoch = await one.change("key", "k1", {"revoked": True})
    own_redis.ask("FLUSHALL")
    async with replica(own_redis.url, path, runs=False) as again:
        assert again.get("key", "k1") == ({"revoked": True}, epoch)
        assert again.epoch > epoch
    async with replica(own_redis.url, runs=False) as without_file:
        assert without_file.get("key", "k1") == ({"revoked": True}, epoch)


async def test_the_lease_holds_while_redis_answers_and_ends_when_it_does_not(own_redis: RedisServer) -> None:
    async with replica(own_redis.url, runs=False, op_timeout=0.2) as one:
        assert one.leased and one.unleased_for == 0
        own_redis.freeze()
        assert one.leased
        await until(lambda: not one.leased)
        assert not await one.renew()
        assert one.unleased_for > 0
        own_redis.thaw()
        async with asyncio.timeout(10):
            while not await one.renew():
                await asyncio.sleep(0.02)
        assert one.leased and one.unleased_for == 0


async def test_a_silent_replica_is_pending_until_its_lease_is_over(redis_url: str) -> None:
    async with replica(redis_url) as one, replica(redis_url, runs=False) as silent:
        epoch = await one.change("key", "k1", {})
        assert await one.acknowledged(epoch, 0.05) == [silent.replica]
        assert await one.acknowledged(epoch, 10) == []
        assert not silent.leased


async def test_a_replica_that_stops_is_not_waited_for(redis_url: str) -> None:
    async with replica(redis_url) as one:
        async with replica(redis_url) as other:
            assert await other.refresh()
        assert await one.acknowledged(await one.change("key", "k1", {}), 0) == []


async def test_a_change_without_redis_fails_and_is_not_applied(own_redis: RedisServer) -> None:
    async with replica(own_redis.url, runs=False) as one:
        own_redis.kill()
        with pytest.raises(StoreError):
            await one.change("key", "k1", {})
        assert one.get("key", "k1") is None
        assert not await one.refresh()
        with contextlib.suppress(StoreError):
            await one.acknowledged(1, 0)


async def test_a_change_goes_round_in_a_cluster(shared_cluster: ClusterSet) -> None:
    for node in shared_cluster.masters:
        node.redis.flushall()
    async with replica(shared_cluster.url) as one, replica(shared_cluster.url) as other:
        elsewhere = told(other)
        epoch = await one.change("key", "k1", {"revoked": True})
        assert await other.acknowledged(epoch, 5) == []
        assert elsewhere == [("k1", {"revoked": True})]
        for node in shared_cluster.masters:
            node.redis.flushall()
        await until(lambda: one.refilled + other.refilled)


async def test_what_a_failover_lost_is_given_to_the_new_master(sentinels: SentinelSet) -> None:
    """Redis acknowledges before its replica has a write; a master that is killed takes such writes along."""
    master, heir = sentinels.servers
    async with replica(sentinels.url) as one, replica(sentinels.url) as other:
        kept = await one.change("key", "k1", {"n": 1})
        await until(lambda: heir.redis.hlen(one._state) == 1)
        heir.freeze()
        master.redis.execute_command("CLIENT", "KILL", "TYPE", "replica")
        lost = await one.change("key", "k2", {"n": 2})
        assert await one.acknowledged(lost, 5) == []
        master.kill()
        heir.thaw()
        await until(lambda: one.refilled + other.refilled, within=30)
        async with replica(sentinels.url) as late:
            assert {id: at for id, _, at in late.items("key")} == {"k1": kept, "k2": lost}
