import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import hiredis
import pytest

from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.slots import SLOTS, slot_of
from tests.store.scripted import serving
from tests.support.redis_sets import PASSWORD, ClusterSet, Member, SentinelSet


@pytest.fixture
async def connection(shared_cluster: ClusterSet) -> AsyncIterator[Connection]:
    for node in shared_cluster.masters:
        node.redis.flushall()
    connection = Connection(shared_cluster.url, op_timeout=5, connect_timeout=2)
    yield connection
    await connection.close()


async def becomes(connection: Connection, healthy: bool) -> None:
    async with asyncio.timeout(20):
        while connection.healthy is not healthy:
            await asyncio.sleep(0.02)


async def test_calls_go_to_whom_their_key_belongs(connection: Connection, shared_cluster: ClusterSet) -> None:
    texts = [f"k{n}" for n in range(600)]
    await asyncio.gather(*(connection.execute("SET", text, text) for text in texts))
    assert await asyncio.gather(*(connection.execute("GET", text) for text in texts)) == [t.encode() for t in texts]
    assert all(node.redis.dbsize() > 100 for node in shared_cluster.masters)


async def test_with_the_map_nobody_is_redirected(connection: Connection, shared_cluster: ClusterSet) -> None:
    watching = asyncio.create_task(connection.watch())
    await connection.execute("PING")
    await becomes(connection, True)

    def redirected() -> int:
        found = 0
        for node in shared_cluster.masters:
            stats = node.redis.info("errorstats")
            found += int(stats.get("errorstat_MOVED", {}).get("count", 0))
        return found

    before = redirected()
    await asyncio.gather(*(connection.execute("SET", f"k{n}", "1") for n in range(300)))
    assert redirected() == before
    watching.cancel()


async def test_scripts_run_where_their_keys_are(connection: Connection) -> None:
    keys = [connection.keys.agent(f"agt_{n}") for n in range(60)]
    await asyncio.gather(*(connection.execute("HSET", key, "id", key) for key in keys))
    replies = await connection.scripts("read_hash", [([key], ()) for key in keys])
    assert replies == [[b"id", key.encode()] for key in keys]


async def test_agents_and_totals_are_kept_in_a_cluster(connection: Connection) -> None:
    agents = Agents(connection, clock=lambda: 1.0)
    assert await agents.list(10) == ((), None)
    assert await agents.get("agt_x") is None


async def test_a_link_of_ones_own_hears_what_is_published(connection: Connection) -> None:
    link = await connection.open_link("news")
    await link.send_command("SUBSCRIBE", "news")
    assert await link.read_response() == [b"subscribe", b"news", 1]
    await connection.execute("PUBLISH", "news", "hello")
    assert await link.read_response() == [b"message", b"news", b"hello"]
    await link.disconnect(nowait=True)


async def test_a_dead_address_in_the_url_does_not_matter(shared_cluster: ClusterSet) -> None:
    url = shared_cluster.url.replace("@", "@127.0.0.1:1,")
    connection = Connection(url, op_timeout=5, connect_timeout=2)
    try:
        assert await connection.execute("SET", "a", "1") == b"OK"
    finally:
        await connection.close()


async def test_a_cluster_named_as_one_server_is_told_from_it(shared_cluster: ClusterSet) -> None:
    port = shared_cluster.masters[0].port
    connection = Connection(f"redis://:{PASSWORD}@127.0.0.1:{port}", op_timeout=5)
    key = next(f"k{n}" for n in range(100) if slot_of(f"k{n}") >= SLOTS // 2)
    with pytest.raises(StoreUnavailable, match=r"moved.*redis\+cluster"):
        await connection.execute("GET", key)
    await connection.close()


async def test_one_server_named_as_a_cluster_never_counts_as_there(sentinels: SentinelSet) -> None:
    port = sentinels.servers[0].port
    connection = Connection(f"redis+cluster://:{PASSWORD}@127.0.0.1:{port}", op_timeout=5)
    watching = asyncio.create_task(connection.watch())
    await connection.execute("PING")
    async with asyncio.timeout(5):
        while "cluster support disabled" not in connection._way.why:
            await asyncio.sleep(0.01)
    assert not connection.healthy
    watching.cancel()
    await connection.close()


async def test_no_node_at_all_is_unavailable_not_a_crash() -> None:
    connection = Connection("redis+cluster://127.0.0.1:1")
    with pytest.raises(StoreUnavailable) as caught:
        await connection.execute("PING")
    assert not caught.value.sent
    await connection.close()


def tags_of(slot: int, number: int) -> list[str]:
    """Hash tags whose keys lie in `slot`."""
    found: list[str] = []
    n = 0
    while len(found) < number:
        if slot_of(f"{n:x}") == slot:
            found.append(f"{n:x}")
        n += 1
    return found


def owner(cluster: ClusterSet, slot: int) -> Member:
    nodes = cluster.masters[0].redis.execute_command("CLUSTER", "SLOTS")
    ranges = nodes if isinstance(nodes, list) else []
    port = next(int(entry[2][1]) for entry in ranges if entry[0] <= slot <= entry[1])
    return next(node for node in cluster.masters if node.port == port)


async def test_keys_are_found_while_their_slot_moves(connection: Connection, shared_cluster: ClusterSet) -> None:
    """At every moment of a move: begun, half of the keys over, all over, told to everybody."""
    tag = "a"
    slot = slot_of(tag)
    keys = [f"{{{tag}}}{n}" for n in range(10)]
    source = await asyncio.to_thread(owner, shared_cluster, slot)
    target = next(node for node in shared_cluster.masters if node is not source)
    for key in keys:
        await connection.execute("SET", key, key)

    async def all_there() -> None:
        assert await asyncio.gather(*(connection.execute("GET", key) for key in keys)) == [k.encode() for k in keys]
        assert await connection.execute("GET", f"{{{tag}}}none") is None

    await all_there()
    shared_cluster.begin_move(slot, source, target)
    await all_there()
    assert (await connection.script("read_hash", [f"{{{tag}}}new"])) == []  # asked for, with a script unknown there
    source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys[:5])
    await all_there()
    shared_cluster.move_keys(slot, source, target)
    await all_there()
    shared_cluster.end_move(slot, target)
    await all_there()
    assert connection.trips == 0


async def test_a_call_over_two_nodes_waits_until_its_keys_are_on_one(
    connection: Connection, shared_cluster: ClusterSet
) -> None:
    slot = slot_of("b")
    source = await asyncio.to_thread(owner, shared_cluster, slot)
    target = next(node for node in shared_cluster.masters if node is not source)
    await connection.execute("MSET", "{b}1", "1", "{b}2", "2")
    shared_cluster.begin_move(slot, source, target)
    source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", "{b}1")
    asked = asyncio.create_task(connection.execute("MGET", "{b}1", "{b}2"))
    await asyncio.sleep(0.02)
    assert not asked.done()
    await asyncio.to_thread(shared_cluster.move_keys, slot, source, target)
    assert await asked == [b"1", b"2"]
    shared_cluster.end_move(slot, target)


async def move_slots(cluster: ClusterSet, slots: list[int], over: asyncio.Event) -> int:
    moved = 0
    while not over.is_set():
        slot = slots[moved % len(slots)]
        source = await asyncio.to_thread(owner, cluster, slot)
        target = random.choice([node for node in cluster.masters if node is not source])
        for step in (
            lambda s=slot, a=source, b=target: cluster.begin_move(s, a, b),
            lambda s=slot, a=source, b=target: cluster.move_keys(s, a, b),
            lambda s=slot, b=target: cluster.end_move(s, b),
        ):
            await asyncio.to_thread(step)  # type: ignore[arg-type]
        moved += 1
        await asyncio.sleep(0.02)  # no cluster moves a slot twice at once
    return moved


async def test_slots_that_move_all_the_time_mix_nothing_up(connection: Connection, shared_cluster: ClusterSet) -> None:
    """With callers that give up in between: no error, no other key's value."""
    tags = ["c", "d", "e"]
    keys = [connection.keys.agent(tag) for tag in tags]
    for key in keys:
        await connection.execute("HSET", key, "id", key)
    over = asyncio.Event()
    asked = 0

    async def ask(chance: random.Random) -> None:
        nonlocal asked
        while not over.is_set():
            key = chance.choice(keys)
            call = asyncio.create_task(connection.script("read_hash", [key]))
            if chance.random() < 0.2:
                await asyncio.sleep(0)
                call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                assert await call == [b"id", key.encode()]
                asked += 1
            await asyncio.sleep(0.002)

    moving = asyncio.create_task(move_slots(shared_cluster, [slot_of(tag) for tag in tags], over))
    asking = [asyncio.create_task(ask(random.Random(n))) for n in range(10)]
    done, _ = await asyncio.wait([moving, *asking], timeout=2.5, return_when=asyncio.FIRST_EXCEPTION)
    over.set()
    await asyncio.gather(*asking)
    assert not done
    assert await moving >= 5
    assert asked >= 500
    assert connection.trips == 0


async def test_a_killed_master_is_followed_to_its_replica(own_cluster: ClusterSet) -> None:
    connection = Connection(own_cluster.url, op_timeout=0.5, connect_timeout=1)
    watching = asyncio.create_task(connection.watch())
    try:
        await connection.execute("PING")
        await becomes(connection, True)
        texts = [f"k{n}" for n in range(60)]
        for text in texts:
            await connection.execute("SET", text, text)
        own_cluster.masters[0].redis.wait(1, 5000)
        own_cluster.masters[0].kill()
        await becomes(connection, False)
        await becomes(connection, True)
        replies = await asyncio.gather(*(connection.execute("GET", text) for text in texts))
        assert replies == [text.encode() for text in texts]
        assert own_cluster.replicas[0].redis.role()[0] == "master"
        own_cluster.masters[0].start()  # comes back as a replica of the one that took its place
        await asyncio.gather(*(connection.execute("SET", text, "2") for text in texts))
    finally:
        watching.cancel()
        await connection.close()


async def test_a_node_that_takes_no_writes_is_found_out_and_found_again(own_cluster: ClusterSet) -> None:
    connection = Connection(own_cluster.url, op_timeout=5, connect_timeout=2)
    watching = asyncio.create_task(connection.watch())
    full = own_cluster.masters[1]
    try:
        await connection.reach()
        await becomes(connection, True)
        full.redis.config_set("maxmemory", 1)
        replies = await asyncio.gather(
            *(connection.execute("SET", f"k{n}", "1") for n in range(60)), return_exceptions=True
        )
        reasons = {reply.reason for reply in replies if isinstance(reply, StoreUnavailable)}
        assert reasons == {"oom"}
        assert b"OK" in replies
        assert not connection.healthy
        full.redis.config_set("maxmemory", 0)
        await becomes(connection, True)
    finally:
        watching.cancel()
        await connection.close()


async def test_a_cluster_that_is_down_is_lost_and_found_again(own_cluster: ClusterSet) -> None:
    connection = Connection(own_cluster.url, op_timeout=0.5, connect_timeout=1)
    watching = asyncio.create_task(connection.watch())
    try:
        await connection.reach()
        await becomes(connection, True)
        own_cluster.replicas[0].kill()
        own_cluster.masters[0].kill()
        key = next(f"k{n}" for n in range(100) if slot_of(f"k{n}") > SLOTS // 2)  # on a node that lives
        async with asyncio.timeout(20):
            while True:
                try:
                    await connection.execute("GET", key)
                except StoreUnavailable as error:
                    if error.reason == "clusterdown":
                        break
                await asyncio.sleep(0.02)
        assert not connection.healthy
        own_cluster.masters[0].start()
        await becomes(connection, True)
        assert await connection.execute("GET", key) is None
    finally:
        watching.cancel()
        await connection.close()


async def test_nodes_that_send_a_call_in_circles_are_asked_three_times() -> None:
    ports: list[int] = []
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = writer.get_extra_info("sockname")[1]
        commands = hiredis.Reader()
        while chunk := await reader.read(4096):
            commands.feed(chunk)
            while (command := commands.gets()) is not False:
                match command:
                    case [b"ECHO", mark]:
                        writer.write(b"$%d\r\n%s\r\n" % (len(mark), mark))
                    case [b"GET", _]:
                        asked.append(own)
                        writer.write(b"-MOVED 15495 127.0.0.1:%d\r\n" % next(p for p in ports if p != own))
                    case [b"PING"]:
                        writer.write(b"+PONG\r\n")
                    case _:
                        writer.write(b"-ERR no map here\r\n")

    async with serving(serve) as first, serving(serve) as second:
        ports += [first, second]
        connection = Connection(f"redis+cluster://127.0.0.1:{first}", op_timeout=5)
        with pytest.raises(StoreUnavailable) as caught:
            await connection.execute("GET", "a")
        assert (caught.value.reason, caught.value.sent) == ("moved", False)
        assert asked == [first, second, first]
        await connection.close()
