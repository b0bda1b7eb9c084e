"""Webhooks on real sockets and a real Redis: receivers that fail, replicas that end, messages that come at once."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.background.send_webhooks import SendWebhooks
from gateway.background.webhook import EVENTS, Webhook
from gateway.store.approvals import Approvals, Pending
from gateway.store.connection import Connection
from gateway.store.webhooks import WebhookQueues
from tests.support.receiver import Received, Receiver, running_receiver
from tests.support.waiting import until

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Replica:
    """Asks for approvals and tells webhooks."""

    def __init__(self, url: str) -> None:
        self.connection = Connection(url, op_timeout=5)
        self.approvals = Approvals(self.connection, clock=time.time)
        self.sender = SendWebhooks(
            self.approvals,
            WebhookQueues(self.connection),
            clock=time.time,
            jitter=lambda: 0.0,
            rfc3339=lambda at: f"{at:.3f}Z",
            version="1",
        )

    async def ask(self, number: int = 1) -> str:
        call = Pending(
            "tool_call", f"agt_{number}", "restart", {"password": "hidden"}, "ops/approval", "why", args_hash="h"
        )
        return (await self.approvals.ask(call)).approval_id


@asynccontextmanager
async def replica(url: str, *webhooks: Webhook) -> AsyncIterator[Replica]:
    one = Replica(url)
    one.sender.use(webhooks)
    running = asyncio.create_task(one.sender.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await one.connection.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as one:
        yield one


def verified(received: Received) -> bool:
    """As the receiver of Standard Webhooks would check it."""
    at = received.headers["webhook-timestamp"]
    signed = b".".join((received.id.encode(), at.encode(), received.body))
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(expected, received.headers["webhook-signature"]) and abs(int(at) - time.time()) < 60


async def test_a_receiver_is_told_what_waits_and_not_with_what(redis_url: str, receiver: Receiver) -> None:
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        approval_id = await one.ask()
        await until(lambda: one.sender.sent == 1)
        (received,) = receiver.all
        assert verified(received) and received.id == f"msg_{approval_id}_requested"
        assert received.headers["content-type"] == "application/json"
        told = received.document
        assert (told["type"], told["data"]["approval_id"]) == ("approval.requested", approval_id)
        assert (told["data"]["agent_id"], told["data"]["tool"], told["data"]["rule"]) == (
            "agt_1",
            "restart",
            "ops/approval",
        )
        assert told["timestamp"].endswith("Z") and b"hidden" not in received.body
        await one.approvals.decide([approval_id], "approved", by="root")
        await asyncio.sleep(0.1)
        assert len(receiver.all) == 1 and one.sender.sent == 1


async def test_each_receiver_gets_what_it_wants(redis_url: str, receiver: Receiver) -> None:
    async with running_receiver() as all_events, running_receiver() as broken:
        broken.answer = lambda received: None
        webhooks = (
            Webhook(broken.url, SECRET),
            Webhook(receiver.url, SECRET),
            Webhook(all_events.url, SECRET, EVENTS),
        )
        async with replica(redis_url, *webhooks) as one:
            ids = [await one.ask(number) for number in range(2)]
            await one.approvals.decide(ids[:1], "approved", by="adk_1", reason="fine")
            await one.approvals.decide(ids[1:], "rejected", by="adk_1")
            await until(lambda: one.sender.sent == 6)
            assert sorted(receiver.ids()) == sorted(f"msg_{one}_requested" for one in ids)
            types = sorted((told.document["type"], told.document["data"]["approval_id"]) for told in all_events.all)
            assert types == sorted(
                [
                    ("approval.approved", ids[0]),
                    ("approval.rejected", ids[1]),
                    *(("approval.requested", one) for one in ids),
                ]
            )
            assert one.sender.failed > 0


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id(
    redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.background.pausing._FIRST_PAUSE", 0.02)
    answers = iter(["500 Oops", "302 Found\r\nlocation: http://127.0.0.1:1/", None, "429 Slow", "200 OK"])
    receiver.answer = lambda received: next(answers)
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        await one.ask()
        await until(lambda: one.sender.sent == 1)
        assert (one.sender.failed, one.sender.dropped) == (4, 0)
        assert len(set(receiver.ids())) == 1 and len(receiver.all) == 5 and all(map(verified, receiver.all))


async def test_a_receiver_may_ask_to_be_left_alone(redis_url: str, receiver: Receiver) -> None:
    receiver.answer = lambda received: "503 Busy\r\nretry-after: 100"
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        await one.ask()
        await until(lambda: one.sender.failed == 1)
        queues, endpoint = WebhookQueues(one.connection), Webhook(receiver.url, SECRET).endpoint
        async with asyncio.timeout(10):
            while ((await queues.claim(endpoint, 1, try_seconds=1)).wait or 0) <= 90:
                await asyncio.sleep(0.01)


async def test_a_receiver_that_is_gone_is_told_nothing_more(redis_url: str, receiver: Receiver) -> None:
    receiver.answer = lambda received: "410 Gone"
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        await one.ask(1)
        await until(lambda: one.sender.dropped == 1)
        await one.ask(2)
        await asyncio.sleep(0.1)
        assert len(receiver.all) == 1
        one.sender.use([])
        one.sender.use([Webhook(receiver.url, SECRET)])
        receiver.answer = lambda received: "204 No Content"
        await one.ask(3)
        await until(lambda: one.sender.sent >= 1)


async def test_what_is_of_no_use_any_more_is_given_up(
    redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.background.pausing._FIRST_PAUSE", 0.02)
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 0.5)
    receiver.answer = lambda received: "500 Oops"
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        await one.ask()
        await until(lambda: one.sender.dropped == 1)
        assert len(receiver.all) > 1


async def test_a_replica_that_ends_leaves_its_messages_to_the_others(
    redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the message, and was gone before it could say what became of it."""
    monkeypatch.setattr("gateway.background.send_webhooks._TRY_SECONDS", 0.3)
    monkeypatch.setattr("gateway.background.send_webhooks._SPARE_SECONDS", 0.1)
    webhook = Webhook(receiver.url, SECRET)
    async with replica(redis_url, webhook) as first:
        receiver.answer = lambda received: None
        await first.ask()
        await until(lambda: receiver.all)
    receiver.answer = lambda received: "204 No Content"
    async with replica(redis_url, webhook) as second:
        await until(lambda: second.sender.sent == 1)
        assert len(set(receiver.ids())) == 1


async def test_many_at_once_on_two_replicas_arrive_each_with_one_id(redis_url: str, receiver: Receiver) -> None:
    webhook = Webhook(receiver.url, SECRET)
    async with replica(redis_url, webhook) as one, replica(redis_url, webhook) as other:
        asked = [await side.ask(number) for number in range(100) for side in (one,)]
        asked += [await other.ask(number) for number in range(100, 200)]
        await until(lambda: len(set(receiver.ids())) == 200, 20)
        await until(lambda: one.sender.sent + other.sender.sent == len(receiver.all))
        assert set(receiver.ids()) == {f"msg_{approval_id}_requested" for approval_id in asked}
        assert len(receiver.all) < 205  # one that took longer than a try may is sent again
        assert await one.connection.execute("ZCARD", one.connection.keys.approvals_announce) == 0


async def test_without_webhooks_nothing_is_kept_for_them(redis_url: str) -> None:
    async with replica(redis_url) as one:
        await one.ask()
        assert await one.connection.execute("EXISTS", one.connection.keys.approvals_announce) == 0


async def test_a_defect_at_one_message_does_not_end_the_telling(
    redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.background.send_webhooks._POLL_SECONDS", 0.05)
    body, broken = SendWebhooks._body, iter([True])

    def body_or_not(self: SendWebhooks, *given: Any) -> bytes:
        if next(broken, False):
            raise RuntimeError("a defect")
        return body(self, *given)

    monkeypatch.setattr(SendWebhooks, "_body", body_or_not)
    async with replica(redis_url, Webhook(receiver.url, SECRET)) as one:
        await one.ask()
        await until(lambda: one.sender.sent == 1)


ILL = {"agent_id": "agt_1", "incident_id": "inc_1", "reason": "tool_loop"}


async def test_what_became_of_an_agent_is_told_to_who_wants_it_and_once_an_id(
    redis_url: str, receiver: Receiver
) -> None:
    async with running_receiver() as other:
        wanting = Webhook(receiver.url, SECRET, ("agent.quarantined", "incident.opened"))
        async with replica(redis_url, wanting, Webhook(other.url, SECRET)) as one, replica(redis_url, wanting) as two:
            for sender in (one.sender, two.sender, one.sender):
                sender.notify("agent.quarantined", ILL, "inc_1")
                sender.notify("agent.released", ILL, "inc_1")
            one.sender.notify("incident.opened", ILL, "inc_1")
            await until(lambda: one.sender.sent + two.sender.sent == 2)
            await asyncio.sleep(0.2)
            assert sorted(receiver.ids()) == ["msg_inc_1_opened", "msg_inc_1_quarantined"] and other.all == []
            told = {received.document["type"]: received.document for received in receiver.all}
            assert told["agent.quarantined"]["data"] == ILL and told["agent.quarantined"]["timestamp"].endswith("Z")
            assert all(map(verified, receiver.all))


async def test_what_was_told_before_the_end_is_sent_by_whoever_comes_next(redis_url: str, receiver: Receiver) -> None:
    webhook = Webhook(receiver.url, SECRET, EVENTS)
    receiver.answer = lambda received: None
    async with replica(redis_url, webhook) as one:
        await one.connection.execute("PING")  # it has begun
        one.sender.notify("immune.alert", {"cause": "many"}, "a1")
    receiver.answer = lambda received: "204 No Content"
    async with replica(redis_url, webhook) as two:
        due = two.connection.keys.webhook(webhook.endpoint)[0]
        await two.connection.execute("ZADD", due, "XX", 0, "msg_a1_alert")  # no waiting for the next try
        await until(lambda: two.sender.sent == 1)
        assert set(receiver.ids()) == {"msg_a1_alert"}


async def test_while_redis_is_away_the_newest_wait(redis_url: str, receiver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.background.send_webhooks._PENDING", 3)
    lost = Replica("redis://127.0.0.1:1/0")
    lost.sender.use([Webhook(receiver.url, SECRET, EVENTS)])
    for number in range(5):
        lost.sender.notify("immune.alert", {}, str(number))
    assert lost.sender.dropped == 2 and not await lost.sender._write_told()
    await lost.connection.close()
    async with replica(redis_url, Webhook(receiver.url, SECRET, EVENTS)) as one:
        one.sender._told.extend(lost.sender._told)
        assert await one.sender._write_told()
        await until(lambda: one.sender.sent == 3)
        assert sorted(receiver.ids()) == ["msg_2_alert", "msg_3_alert", "msg_4_alert"]


async def test_an_id_may_be_any_text(redis_url: str, receiver: Receiver) -> None:
    async with replica(redis_url, Webhook(receiver.url, SECRET, EVENTS)) as one:
        for _ in range(2):
            one.sender.notify("immune.alert", {}, "inc_1:cost_spike (cost), +7.3 σ\n")
        await until(lambda: one.sender.sent == 1)
        assert receiver.ids()[0].isascii() and receiver.ids()[0].endswith("_alert")


async def test_without_webhooks_nothing_of_agents_waits(redis_url: str) -> None:
    async with replica(redis_url) as one:
        one.sender.notify("agent.released", ILL, "inc_1")
        assert not one.sender._told
