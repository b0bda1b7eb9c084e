import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable

import pytest

from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreUnavailable
from tests.store.faults import FaultProxy
from tests.support.circles import errors_in_circles
from tests.support.redis import RedisServer


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Connection]:
    connection = Connection(own_redis.url, op_timeout=0.5, connect_timeout=1)
    yield connection
    await connection.close()


async def becomes(connection: Connection, healthy: bool) -> None:
    """Wait until the connection is (un)healthy; `watch` must run."""
    changed = asyncio.Event()
    connection.on_change.append(lambda now: changed.set())
    async with asyncio.timeout(10):
        while connection.healthy is not healthy:
            changed.clear()
            await changed.wait()


async def test_a_reply_comes_as_redis_has_it(connection: Connection) -> None:
    assert await connection.execute("SET", "a", "ä") == b"OK"
    assert await connection.execute("GET", "a") == "ä".encode()
    assert await connection.execute("GET", "none") is None
    assert await connection.execute("INCRBY", b"n", 41) == 41
    assert await connection.execute("RPUSH", "l", 1, 2.5) == 2
    assert await connection.execute("LRANGE", "l", 0, -1) == [b"1", b"2.5"]


async def test_calls_of_one_turn_share_one_batch(connection: Connection) -> None:
    before = await _commands(connection)
    await asyncio.gather(*(connection.execute("INCR", "n") for _ in range(100)))
    after = await _commands(connection)
    # 100 calls and the call that asks again, each batch with one ECHO.
    assert after["incr"] - before.get("incr", 0) == 100
    assert after["echo"] - before["echo"] <= 3


async def _commands(connection: Connection) -> dict[str, int]:
    text: bytes = await connection.execute("INFO", "commandstats")
    return {
        line.split(":")[0].removeprefix("cmdstat_"): int(line.split("calls=")[1].split(",")[0])
        for line in text.decode().splitlines()
        if "calls=" in line
    }


async def test_more_calls_than_a_batch_holds_all_get_their_reply(redis_url: str) -> None:
    connection = Connection(redis_url, max_batch=10, op_timeout=5)
    try:
        texts = [f"v{n}".encode() for n in range(500)]
        assert await asyncio.gather(*(connection.execute("ECHO", text) for text in texts)) == texts
    finally:
        await connection.close()


async def test_one_refused_command_does_not_fail_the_others(connection: Connection) -> None:
    await connection.execute("SET", "a", "text")
    replies = await asyncio.gather(
        connection.execute("GET", "a"),
        connection.execute("LPUSH", "a", 1),
        connection.execute("ECHO", "x"),
        return_exceptions=True,
    )
    assert replies[0] == b"text"
    assert isinstance(replies[1], CommandRefused)
    assert "WRONGTYPE" in str(replies[1])
    assert replies[2] == b"x"
    assert connection.healthy


async def test_what_cannot_be_sent_fails_its_own_caller_only(connection: Connection) -> None:
    replies = await asyncio.gather(
        connection.execute("ECHO", "x"),
        connection.execute("SET", "a", None),  # type: ignore[arg-type]
        connection.execute("SET", "a", "\ud800"),
        connection.execute("ECHO", "y"),
        return_exceptions=True,
    )
    assert (replies[0], type(replies[1]), type(replies[2]), replies[3]) == (b"x", TypeError, UnicodeEncodeError, b"y")


async def test_a_listener_that_fails_disturbs_nobody(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(redis_url, op_timeout=5)
    heard: list[bool] = []
    connection.on_change += [lambda healthy: {}[healthy], heard.append]  # type: ignore[list-item, index]
    assert await connection.execute("ECHO", "x") == b"x"
    assert await connection.execute("ECHO", "y") == b"y"
    assert heard == [True]
    assert "listener" in caplog.text
    await connection.close()


async def test_a_script_is_loaded_when_redis_does_not_know_it(connection: Connection) -> None:
    key = connection.keys.agent("agt_1")
    await connection.execute("HSET", key, "a", "1")
    for _ in range(2):
        await connection.execute("SCRIPT", "FLUSH")
        replies = await asyncio.gather(*(connection.script("read_hash", [key]) for _ in range(5)))
        assert replies == [[b"a", b"1"]] * 5


async def test_script_flush_under_load_is_not_noticed(connection: Connection) -> None:
    key = connection.keys.agent("agt_1")
    await connection.execute("HSET", key, "a", "1")

    async def flush() -> None:
        for _ in range(60):
            await connection.execute("SCRIPT", "FLUSH")

    async def call() -> None:
        for _ in range(100):
            assert await connection.script("read_hash", [key]) == [b"a", b"1"]

    await asyncio.gather(flush(), *(call() for _ in range(10)))


async def test_many_scripts_report_each_failure_in_its_place(connection: Connection) -> None:
    good, bad = connection.keys.agent("good"), connection.keys.agent("bad")
    await connection.execute("HSET", good, "a", "1")
    await connection.execute("SET", bad, "no hash")
    first, second = await connection.scripts("read_hash", [([bad], ()), ([good], ())])
    assert isinstance(first, CommandRefused)
    assert second == [b"a", b"1"]


async def test_a_storm_of_cancellations_never_mixes_replies(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    chance = random.Random(7)
    wrong: list[object] = []
    finished = 0

    async def ask(n: int) -> None:
        nonlocal finished
        text = f"key-{n}".encode()
        reply = await connection.execute("ECHO", text)
        finished += 1
        if reply != text:
            wrong.append((text, reply))

    try:
        for start in range(0, 10_000, 100):
            tasks = [asyncio.create_task(ask(n)) for n in range(start, start + 100)]
            victims = chance.sample(tasks, 50)
            for victim in victims:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                victim.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert not wrong
        assert finished >= 5000
        assert connection.healthy
    finally:
        await connection.close()


async def test_what_came_too_late_leaves_nothing_to_the_collector(redis_url: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=0.05)
        await connection.reach()
        proxy.delay = 0.2
        with errors_in_circles() as held:
            asked: list[Awaitable[object]] = []
            for _ in range(20):
                asked.append(connection.execute("GET", "a"))
                asked.append(connection.script("read_hash", ["k"]))
                asked.append(connection.scripts("read_hash", [(["k"], ())] * 3))
            told = {type(one) for one in await asyncio.gather(*asked, return_exceptions=True)}
            assert StoreUnavailable in told
            asked.clear()
            while connection.serving:
                await connection.scripts("read_hash", [(["k"], ())])
            await connection.scripts("read_hash", [(["k"], ())])  # not even asked: Redis was given up
        await connection.close()
    assert held == []


async def test_a_queue_that_is_full_refuses_instead_of_growing(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, max_queue=10, lanes=1, op_timeout=0.3)
    try:
        await connection.execute("PING")
        own_redis.freeze()
        tasks = [asyncio.create_task(connection.execute("PING")) for _ in range(5)]
        await asyncio.sleep(0.02)  # so that these five are under way; what is asserted holds without it
        tasks += [asyncio.create_task(connection.execute("PING")) for _ in range(50)]
        replies = await asyncio.gather(*tasks, return_exceptions=True)
        reasons = [reply.reason for reply in replies if isinstance(reply, StoreUnavailable)]
        assert len(reasons) == 55
        assert reasons.count("overload") >= 35
    finally:
        await connection.close()


async def test_nobody_waits_long_for_a_frozen_redis_and_it_recovers_without_traffic(own_redis: RedisServer) -> None:
    own = Connection(own_redis.url)
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    own_redis.freeze()
    reasons = []
    # Far below what 100 waits of one time-out would take: the breaker refuses most at once.
    async with asyncio.timeout(2.5):
        for _ in range(100):
            with pytest.raises(StoreUnavailable) as caught:
                await own.execute("GET", "a")
            reasons.append(caught.value.reason)
    assert set(reasons) <= {"timeout", "open"}
    assert reasons.count("timeout") <= 4
    assert not own.healthy
    own_redis.thaw()
    await becomes(own, True)
    watching.cancel()
    await own.close()


async def test_a_killed_redis_is_an_error_at_once_and_is_found_again(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    await own.execute("SET", "a", "1")
    results: list[object] = []
    killed = threading.Event()

    async def load() -> None:
        while len(results) < 3000 and not (killed.is_set() and own.trips):
            try:
                results.append(await own.execute("GET", "a"))
            except StoreUnavailable as error:
                results.append(error.reason)
            await asyncio.sleep(0)

    loads = [asyncio.create_task(load()) for _ in range(20)]
    while len(results) < 200:
        await asyncio.sleep(0)
    own_redis.kill()
    killed.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*loads)
    assert set(results) <= {b"1", "connection", "timeout", "open"}
    assert not own.healthy
    own_redis.start()
    await becomes(own, True)
    assert await own.execute("GET", "a") == b"1"
    watching.cancel()


async def test_without_a_watch_a_caller_is_the_probe(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, jitter=lambda: 0.0, op_timeout=0.5)
    try:
        await connection.execute("PING")
        own_redis.kill()
        for _ in range(6):
            with pytest.raises(StoreUnavailable):
                await connection.execute("PING")
        assert not connection.serving
        own_redis.start()
        async with asyncio.timeout(5):
            while not connection.healthy:
                try:
                    await connection.execute("PING")
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_an_idle_connection_notices_that_redis_is_gone(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    own_redis.kill()
    await becomes(own, False)
    watching.cancel()


async def test_a_link_that_redis_closed_while_idle_costs_no_call(own: Connection, own_redis: RedisServer) -> None:
    await own.execute("SET", "a", "1")
    own_redis.restart()
    await asyncio.sleep(0)
    assert await own.execute("GET", "a") == b"1"


async def test_a_first_link_that_takes_longer_than_a_call_may_is_waited_for(redis_url: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        proxy.delay = 0.1  # the SELECT of the handshake takes this long
        connection = Connection(f"redis://127.0.0.1:{proxy.port}/1", op_timeout=0.05, connect_timeout=5, lanes=1)
        with pytest.raises(StoreUnavailable, match="timeout"):
            await connection.execute("PING")
        proxy.delay = 0.0
        await connection.reach(5)
        with pytest.raises(StoreUnavailable):
            await Connection("unix:///tmp/leuko-there-is-nothing.sock").reach(60)
        proxy.delay = 60
        with pytest.raises(StoreUnavailable):
            await connection.reach(0.2)
        await connection.close()


async def test_nothing_there_is_unavailable_not_a_crash(tmp_path_factory: pytest.TempPathFactory) -> None:
    connection = Connection("unix:///tmp/leuko-there-is-nothing.sock")
    with pytest.raises(StoreUnavailable) as caught:
        await connection.execute("PING")
    assert not caught.value.sent
    await connection.close()


async def test_a_link_of_ones_own_hears_what_is_published(connection: Connection) -> None:
    link = await connection.open_link("news")
    await link.send_command("SUBSCRIBE", "news")
    assert await link.read_response() == [b"subscribe", b"news", 1]
    assert await connection.execute("PUBLISH", "news", "hello") == 1
    assert await link.read_response() == [b"message", b"news", b"hello"]
    await link.disconnect(nowait=True)


async def test_a_link_that_cannot_be_opened_is_unavailable() -> None:
    connection = Connection("unix:///tmp/leuko-there-is-nothing.sock")
    with pytest.raises(StoreUnavailable):
        await connection.open_link("news")
    await connection.close()


async def test_a_closed_connection_refuses(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    await connection.execute("PING")
    await connection.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await connection.execute("PING")


async def test_a_full_redis_refuses_writes_and_still_answers_reads(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    await own.execute("SET", "a", "1")
    own_redis.ask("CONFIG", "SET", "maxmemory", "100kb")
    with pytest.raises(StoreUnavailable) as caught:
        await own.execute("SET", "b", "x" * 100)
    assert (caught.value.reason, caught.value.sent) == ("oom", False)
    with pytest.raises(StoreUnavailable) as caught:
        await own.script("count", [own.keys.stats], ["ab", 1, 1])
    assert caught.value.reason == "oom"
    assert await own.execute("GET", "a") == b"1"
    assert not own.healthy
    own_redis.ask("CONFIG", "SET", "maxmemory", "0")
    await becomes(own, True)
    watching.cancel()


async def test_a_redis_without_its_replicas_takes_no_writes_and_still_answers_reads(
    own: Connection, own_redis: RedisServer
) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    await own.execute("SET", "a", "1")
    own_redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    for write in (own.execute("SET", "a", "2"), own.script("count", [own.keys.stats], ["ab", 1, 1])):
        with pytest.raises(StoreUnavailable) as caught:
            await write
        assert (caught.value.reason, caught.value.sent) == ("noreplicas", False)
    assert await own.execute("GET", "a") == b"1"
    assert not own.healthy
    own_redis.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    await becomes(own, True)
    watching.cancel()


async def test_a_demoted_redis_is_no_store_until_it_takes_writes_again(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    own_redis.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable) as caught:
        await own.execute("SET", "a", "1")
    assert caught.value.reason == "readonly"
    with pytest.raises(StoreUnavailable) as caught:
        await own.execute("GET", "a")
    assert caught.value.reason == "open"
    assert not own.healthy
    own_redis.ask("REPLICAOF", "NO", "ONE")
    await becomes(own, True)
    assert await own.execute("SET", "a", "1") == b"OK"
    watching.cancel()


async def test_a_script_that_never_ends_is_bounded_and_survived(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    own_redis.ask("CONFIG", "SET", "lua-time-limit", "1")
    endless = threading.Thread(target=own_redis.ask, args=("EVAL", "while true do end", "0"))
    endless.start()
    try:
        await becomes(own, False)
        with pytest.raises(StoreUnavailable):
            await own.execute("GET", "a")
    finally:
        while own_redis.ask("SCRIPT", "KILL") != b"+OK\r\n":
            time.sleep(0.01)
        endless.join()
    await becomes(own, True)
    assert await own.execute("ECHO", "x") == b"x"
    watching.cancel()


@pytest.mark.parametrize("fault", ["swap", "drop", "double", "garbage", "cut"])
async def test_spoiled_replies_are_errors_never_other_data(redis_url: str, fault: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=0.5)
        try:
            keys = [connection.keys.agent(f"agt_{n}") for n in range(50)]
            await asyncio.gather(*(connection.execute("HSET", key, "id", key) for key in keys))
            proxy.fault = fault
            for _ in range(20):
                replies = await asyncio.gather(
                    *(connection.script("read_hash", [key]) for key in keys), return_exceptions=True
                )
                for key, reply in zip(keys, replies, strict=True):
                    assert isinstance(reply, StoreUnavailable) or reply == [b"id", key.encode()], (key, reply)
            assert proxy.spoiled
            assert connection.trips
            proxy.fault = ""
            async with asyncio.timeout(5):
                while not connection.healthy:
                    await asyncio.gather(connection.execute("PING"), return_exceptions=True)
                    await asyncio.sleep(0.02)
            assert await connection.script("read_hash", [keys[0]]) == [b"id", keys[0].encode()]
        finally:
            await connection.close()


@pytest.mark.parametrize("fault", ["drop", "double", "garbage", "cut"])
async def test_replies_out_of_step_are_noticed_without_tags_too(redis_url: str, fault: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=0.5)
        try:
            await connection.execute("PING")
            proxy.fault = fault
            for _ in range(3):
                texts = [f"v{n}".encode() for n in range(20)]
                replies = await asyncio.gather(
                    *(connection.execute("ECHO", text) for text in texts), return_exceptions=True
                )
                assert all(isinstance(reply, StoreUnavailable) for reply in replies), replies
            assert proxy.spoiled
        finally:
            await connection.close()


async def test_a_slow_redis_is_cut_off_without_a_pile(redis_url: str) -> None:
    async with FaultProxy(redis_url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=0.25)
        try:
            await connection.execute("PING")
            proxy.delay = 1
            async with asyncio.timeout(5):
                replies = await asyncio.gather(
                    *(connection.execute("PING") for _ in range(2000)), return_exceptions=True
                )
                assert all(isinstance(reply, StoreUnavailable) for reply in replies)
                while connection.serving:
                    await asyncio.gather(connection.execute("PING"), return_exceptions=True)
                for _ in range(50):
                    with pytest.raises(StoreUnavailable):
                        await connection.execute("PING")
        finally:
            await connection.close()


async def test_a_loop_that_stood_still_does_not_blame_redis(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=0.3)
    await connection.execute("PING")
    for _ in range(3):
        task = asyncio.create_task(connection.execute("ECHO", "x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.5)
        assert await task == b"x"
    assert connection.trips == 0
    await connection.close()


async def test_options_in_the_url_cannot_lengthen_the_wait(own_redis: RedisServer) -> None:
    connection = Connection(
        f"{own_redis.url}?socket_timeout=30&retry_on_timeout=yes&health_check_interval=1&db=2", op_timeout=0.5
    )
    try:
        await connection.execute("SET", "a", "1")
        assert b"db2" in own_redis.ask("INFO", "keyspace")
        own_redis.freeze()
        async with asyncio.timeout(5):
            with pytest.raises(StoreUnavailable):
                await connection.execute("GET", "a")
    finally:
        await connection.close()


@pytest.mark.faults
async def test_hundreds_of_kills_under_load_never_give_wrong_data(own: Connection, own_redis: RedisServer) -> None:
    watching = asyncio.create_task(own.watch())
    await becomes(own, True)
    await asyncio.gather(*(own.execute("SET", f"k{n}", f"v{n}") for n in range(100)))
    await asyncio.sleep(1.5)  # appendfsync everysec
    running = True
    answers = 0

    async def load(n: int) -> None:
        nonlocal answers
        while running:
            try:
                assert await own.execute("GET", f"k{n}") == f"v{n}".encode()
                answers += 1
            except StoreUnavailable:
                await asyncio.sleep(0.001)

    loads = [asyncio.create_task(load(n)) for n in range(100)]
    for _ in range(100):
        await asyncio.to_thread(own_redis.restart)
        await becomes(own, True)
        before = answers
        async with asyncio.timeout(10):
            while answers < before + 500:
                await asyncio.sleep(0.01)
    running = False
    await asyncio.gather(*loads)
    watching.cancel()
