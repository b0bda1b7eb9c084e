import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.store.address import read_address
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.sentinel import Sentinels
from tests.store.scripted import serving
from tests.support.redis_sets import PASSWORD, SERVICE, SentinelSet, eventually


def packed(*parts: str) -> bytes:
    return f"*{len(parts)}\r\n".encode() + b"".join(f"${len(part)}\r\n{part}\r\n".encode() for part in parts)


@contextlib.asynccontextmanager
async def scripted(reply: bytes) -> AsyncIterator[int]:
    """A sentinel that always says the same; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)

    async with serving(serve) as port:
        yield port


def says(port: int, epoch: int) -> bytes:
    return packed("name", SERVICE, "ip", "127.0.0.1", "port", str(port), "config-epoch", str(epoch))


def asking(*ports: int, moved: Callable[[], Any] = lambda: None) -> Sentinels:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    address = read_address(f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}")
    return Sentinels(address, connect_timeout=2, on_move=moved)


async def test_the_newest_configuration_counts() -> None:
    async with scripted(says(1001, 3)) as old, scripted(says(1002, 4)) as new, scripted(says(1001, 3)) as older:
        assert await asking(old, new, older).find() == ("127.0.0.1", 1002)


@pytest.mark.parametrize(
    "reply", [b"*-1\r\n", b"-ERR No such master with that name\r\n", b"$2\r\nhi\r\n", packed("ip", "h"), b"\x00\x00"]
)
async def test_a_sentinel_that_knows_nothing_does_not_count(reply: bytes) -> None:
    async with scripted(reply) as ignorant, scripted(says(1002, 4)) as knowing:
        assert await asking(ignorant, knowing).find() == ("127.0.0.1", 1002)
        with pytest.raises(StoreUnavailable):
            await asking(ignorant).find()


async def test_a_move_is_told_once_and_not_the_first_finding() -> None:
    moves: list[int] = []
    async with scripted(says(1001, 3)) as old, scripted(says(1002, 4)) as new:
        sentinels = asking(old, moved=lambda: moves.append(1))
        await sentinels.find()
        assert not moves
        sentinels._hosts = (("127.0.0.1", new),)
        await sentinels.find()
        await sentinels.find()
        assert len(moves) == 1


async def test_a_replica_is_not_taken_for_the_master(sentinels: SentinelSet) -> None:
    async with scripted(says(sentinels.servers[1].port, 9)) as liar:
        with pytest.raises(StoreUnavailable, match="no master"):
            await asking(liar).open()


async def test_calls_reach_the_master_also_when_two_sentinels_do_not_answer(sentinels: SentinelSet) -> None:
    connection = Connection(sentinels.url, op_timeout=5, connect_timeout=2)
    sentinels.sentinels[0].kill()
    sentinels.sentinels[1].freeze()
    try:
        assert await connection.execute("SET", "a", "1") == b"OK"
        assert sentinels.servers[0].redis.get("a") == "1"
        link = await connection.open_link("a")
        await link.send_command("ROLE")
        assert (await link.read_response())[0] == b"master"
        await link.disconnect(nowait=True)
    finally:
        sentinels.sentinels[1].thaw()
        await connection.close()


async def test_nothing_is_known_without_sentinels() -> None:
    connection = Connection("redis+sentinel://127.0.0.1:1/main")
    with pytest.raises(StoreUnavailable) as caught:
        await connection.execute("PING")
    assert not caught.value.sent
    await connection.close()


async def test_a_start_waits_for_a_failover(sentinels: SentinelSet) -> None:
    sentinels.servers[0].kill()
    connection = Connection(sentinels.url, op_timeout=0.5, connect_timeout=1)
    await connection.reach(20)
    assert await connection.execute("SET", "a", "1") == b"OK"
    assert sentinels.servers[1].redis.get("a") == "1"
    await connection.close()


async def test_a_killed_master_is_followed_to_the_next_one(sentinels: SentinelSet) -> None:
    connection = Connection(sentinels.url, op_timeout=0.5, connect_timeout=1)
    watching = asyncio.create_task(connection.watch())
    written: set[str] = set()
    failures: list[str] = []
    over = asyncio.Event()

    async def write(writer: int) -> None:
        n = 0
        while not over.is_set():
            key = f"{writer}:{n}"
            try:
                await connection.execute("SET", key, "1")
                written.add(key)
                n += 1
            except StoreUnavailable as error:
                failures.append(error.reason)
            await asyncio.sleep(0.002)

    try:
        await connection.execute("PING")
        writers = [asyncio.create_task(write(n)) for n in range(4)]
        master, replica = sentinels.servers
        while len(written) < 200:
            await asyncio.sleep(0.01)
        master.kill()
        before = len(written)
        async with asyncio.timeout(20):
            while len(written) < before + 200:
                await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*writers)
        assert set(failures) <= {"timeout", "connection", "open", "readonly", "garbage"}
        assert connection.healthy
        async with asyncio.timeout(20):  # the sentinel that is asked may hear of it after the gateway's has
            while (await asyncio.to_thread(lambda: sentinels.master)) is not replica:
                await asyncio.sleep(0.05)
        # What the last moment wrote may be lost with the master; all of the new one's is there.
        assert len(written) - await connection.execute("DBSIZE") < 200
    finally:
        over.set()
        watching.cancel()
        await connection.close()


async def test_a_master_that_was_replaced_is_left_though_it_still_answers(sentinels: SentinelSet) -> None:
    connection = Connection(sentinels.url, op_timeout=5, connect_timeout=2)
    await connection.execute("SET", "a", "old")
    master, replica = sentinels.servers
    master.freeze()
    await asyncio.to_thread(eventually, lambda: sentinels.master is replica)
    watching = asyncio.create_task(connection.watch())
    for sentinel in sentinels.sentinels:
        sentinel.freeze()  # now nobody demotes the old master; it takes writes in vain
    master.thaw()
    try:
        assert master.redis.role()[0] == "master"
        for sentinel in sentinels.sentinels[:1]:
            sentinel.thaw()
        async with asyncio.timeout(10):
            while replica.redis.get("a") != "new":
                await connection.execute("SET", "a", "new")
                await asyncio.sleep(0.05)
    finally:
        for sentinel in sentinels.sentinels[1:]:
            sentinel.thaw()
        watching.cancel()
        await connection.close()
