"""From where keys are used."""

import asyncio

from gateway.store.connection import Connection
from gateway.store.known_clients import KnownClients, Place
from tests.support.redis import RedisServer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Told:
    def __init__(self) -> None:
        self.all: list[tuple[str, str, str]] = []

    def __call__(self, place: Place, request_id: str) -> None:
        self.all.append((place.client, place.network, request_id))


def place(client: str, network: str, agent_id: str = "agt_1") -> Place:
    return Place(agent_id, client, network)


async def test_only_what_is_new_in_both_is_told_and_at_one_worker(connection: Connection) -> None:
    told, clock = Told(), Clock()
    workers = [KnownClients(connection, told, keep_seconds=3600, clock=clock) for _ in range(2)]
    for number, (client, network) in enumerate(
        [("a", "1"), ("a", "2"), ("b", "1"), ("c", "3"), ("c", "3"), ("a", "4"), ("d", "4"), ("e", "5")]
    ):
        for worker in workers:
            worker.note(place(client, network), f"req_{number}")
            assert await worker.flush()
    assert told.all == [("c", "3", "req_3"), ("e", "5", "req_7")]
    workers[0].note(place("z", "9", "agt_2"), "req_9")
    await workers[0].flush()
    assert len(told.all) == 2  # the first place of an agent is where it is at home
    assert 3500 < await connection.execute("TTL", connection.keys.clients("agt_1")) <= 3600


async def test_what_is_in_use_is_noted_again_before_it_is_forgotten(connection: Connection) -> None:
    told, clock = Told(), Clock()
    clients = KnownClients(connection, told, keep_seconds=100, clock=clock)
    for seconds, noted in ((0, True), (9, False), (1, True)):
        clock.now += seconds
        clients.note(place("a", "1"), "req_1")
        assert bool(clients._pending) is noted
        await clients.flush()


async def test_sixty_four_are_remembered(connection: Connection) -> None:
    clients = KnownClients(connection, keep_seconds=100, clock=Clock())
    for number in range(100):
        clients.note(place("a", f"10.0.{number}.0/24"), "req_1")
    await clients.flush()
    assert await connection.execute("HLEN", connection.keys.clients("agt_1")) == 64


async def test_it_is_written_by_itself_also_after_redis_was_away(own_redis: RedisServer) -> None:
    connection, told = Connection(own_redis.url), Told()
    clients = KnownClients(connection, told, keep_seconds=100, clock=Clock())
    own_redis.kill()
    for number in range(3000):
        clients.note(place(f"c{number}", f"n{number}"), "req_1")
    assert not await clients.flush()
    own_redis.start()
    running = asyncio.create_task(clients.run())
    clients.note(place("a", "1"), "req_1")
    async with asyncio.timeout(20):
        while len(told.all) < 31:
            clients.note(place("a", "1"), "req_1")
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await connection.close()


async def test_what_redis_refuses_is_dropped(connection: Connection) -> None:
    clients = KnownClients(connection, keep_seconds=100, clock=Clock())
    await connection.execute("SET", connection.keys.clients("agt_1"), "no hash")
    clients.note(place("a", "1"), "req_1")
    assert await clients.flush() and not clients._pending
