import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ResponseError

from gateway.store.errors import StoreUnavailable
from gateway.store.lane import Call
from gateway.store.links import Links
from gateway.store.node import Bounds, Node
from tests.support.redis import RedisServer

BOUNDS = Bounds(op_timeout=5, lanes=2, max_batch=100, max_queue=1000, jitter=lambda: 0.0)


def node_at(url: str, bounds: Bounds = BOUNDS, **extra: object) -> Node:
    told: list[None] = []
    return Node(
        Links(url, connect_timeout=2).open,
        bounds,
        probe=lambda: "probe",
        on_change=lambda: told.append(None),
        **extra,  # type: ignore[arg-type]
    )


@pytest.fixture
async def node(redis_url: str) -> AsyncIterator[Node]:
    node = node_at(redis_url)
    yield node
    await node.close()


async def test_it_is_healthy_once_it_has_answered_and_serves_until_it_does_not(own_redis: RedisServer) -> None:
    node = node_at(own_redis.url)
    assert (node.healthy, node.serving, node.trips) == (False, True, 0)
    assert await node.submit(("PING",)) == b"PONG"
    assert (node.healthy, node.serving) == (True, True)
    own_redis.ask("REPLICAOF", "127.0.0.1", "1")
    said = await node.submit(("SET", "a", "1"))
    assert isinstance(said, StoreUnavailable)
    assert (node.healthy, node.serving, node.trips) == (False, False, 1)
    assert "READONLY" in node.why
    await node.close()


async def test_a_call_goes_on_at_another_node_and_keeps_its_deadline(redis_url: str, own_redis: RedisServer) -> None:
    other = node_at(own_redis.url)

    def redirect(node: Node, call: Call, reply: ResponseError) -> bool:
        call.packed = b"*2\r\n$4\r\nECHO\r\n$5\r\nthere\r\n"
        other.take_over(call)
        return True

    node = node_at(redis_url, Bounds(0.2, 2, 100, 1000, lambda: 0.0), redirect=redirect)
    assert await node.submit(("NO-SUCH-COMMAND",)) == b"there"
    own_redis.freeze()
    said = await node.submit(("NO-SUCH-COMMAND",))
    assert isinstance(said, StoreUnavailable)
    assert said.reason == "timeout"
    own_redis.thaw()
    await node.close()
    await other.close()


async def test_a_closed_node_takes_nothing_over(node: Node) -> None:
    await node.submit(("PING",))
    await node.close()
    call = Call(("PING",), asyncio.get_running_loop().create_future(), 0.0)
    node.take_over(call)
    assert isinstance(call.future.result(), StoreUnavailable)
    with pytest.raises(StoreUnavailable, match="closed"):
        node.submit(("PING",))


async def test_after_a_refresh_calls_use_new_links(own_redis: RedisServer) -> None:
    node = node_at(own_redis.url, Bounds(5, 1, 100, 1000, lambda: 0.0))
    before = await node.submit(("CLIENT", "ID"))
    assert await node.submit(("CLIENT", "ID")) == before
    node.refresh()
    assert await node.submit(("CLIENT", "ID")) != before
    await node.close()
