"""The queues of webhooks, on a real Redis."""

import asyncio
import time

import pytest

from gateway.store.connection import Connection
from gateway.store.webhooks import Message, WebhookQueues


@pytest.fixture
def queues(connection: Connection) -> WebhookQueues:
    return WebhookQueues(connection)


def message(number: int = 1, seconds: float = 60) -> Message:
    return Message(f"msg_{number}", b'{"n": %d}' % number, round(time.time() + seconds, 3))


async def test_each_message_is_taken_by_one_and_gone_when_it_is_delivered(queues: WebhookQueues) -> None:
    assert await queues.put("one", message()) == 0
    assert await queues.put("one", message()) == 0
    await queues.put("other", message(2))
    claims = await asyncio.gather(*(queues.claim("one", 8, try_seconds=20) for _ in range(10)))
    ((taken,),) = [claimed.due for claimed in claims if claimed.due]
    assert (taken.id, taken.body, taken.tries) == ("msg_1", b'{"n": 1}', 1)
    assert 0 < (claims[-1].wait or 0) <= 20
    await queues.done("one", taken.id)
    last = await queues.claim("one", 8, try_seconds=20)
    assert (last.due, last.over, last.wait) == ((), (), None)
    assert [one.id for one in (await queues.claim("other", 8, try_seconds=20)).due] == ["msg_2"]
    await queues.put("one", message())  # by a replica that had heard of it before it was delivered
    assert (await queues.claim("one", 8, try_seconds=20)).due == ()


async def test_one_that_nobody_said_anything_of_is_taken_again(queues: WebhookQueues) -> None:
    await queues.put("one", message())
    await queues.claim("one", 8, try_seconds=0.05)
    await asyncio.sleep(0.06)
    (again,) = (await queues.claim("one", 8, try_seconds=20)).due
    assert again.tries == 2
    await queues.again("one", again.id, 0)
    await queues.again("one", "msg_9", 0)
    (third,) = (await queues.claim("one", 8, try_seconds=20)).due
    assert (third.id, third.tries) == ("msg_1", 3)


async def test_one_of_no_use_any_more_is_given_up(queues: WebhookQueues) -> None:
    await queues.put("one", message(1, -1))
    await queues.put("one", message(2))
    claimed = await queues.claim("one", 8, try_seconds=20)
    assert [one.id for one in claimed.over] == ["msg_1"] and [one.id for one in claimed.due] == ["msg_2"]


async def test_a_queue_has_room_for_so_many(
    queues: WebhookQueues, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.webhooks.MOST", 3)
    gone = []
    for number in range(5):
        gone.append(await queues.put("one", message(number)))
        await asyncio.sleep(0.002)
    assert gone == [0, 0, 0, 1, 1]
    claimed = await queues.claim("one", 8, try_seconds=20)
    assert [one.id for one in claimed.due] == ["msg_2", "msg_3", "msg_4"]
    await queues.done("one", "msg_2")
    for key in connection.keys.webhook("one"):
        assert await connection.execute("PTTL", key) > 0
