import asyncio

from gateway.store.connection import Connection
from gateway.store.subscriber import Subscriber
from tests.support.redis import RedisServer


async def test_it_hears_every_message_and_again_after_its_link_was_cut(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=2, connect_timeout=2)
    heard = asyncio.Event()
    listening = asyncio.create_task(Subscriber(connection, "news", heard.set).run())
    try:
        async with asyncio.timeout(10):
            for _ in range(2):
                await heard.wait()  # it has subscribed
                heard.clear()
                while await connection.execute("PUBLISH", "news", "1") == 0:
                    await asyncio.sleep(0.01)
                await heard.wait()
                heard.clear()
                own_redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
            own_redis.restart()
            await heard.wait()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.close()
