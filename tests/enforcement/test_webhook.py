"""What receivers are told, checked as a receiver does."""

import base64
import hashlib
import hmac

import pytest

from gateway.enforcement.strategy import Case, EnforcementFailed
from gateway.enforcement.webhook import Webhook
from tests.support.receiver import Received, running_receiver

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
CASE = Case("agt_1", "inc_1")


def webhook(url: str, name: str = "webhook") -> Webhook:
    return Webhook(name, url, SECRET, clock=lambda: 1700000000.7, rfc3339=lambda at: f"<{at:g}>", version="1.2.3")


def genuine(received: Received) -> bool:
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return received.headers["webhook-signature"] == f"v1,{expected}"


async def test_each_message_says_what_is_wanted_of_whom_and_is_signed() -> None:
    async with running_receiver() as receiver:
        one = webhook(receiver.url)
        for act in (one.contain, one.release, one.restart, one.reset):
            await act(CASE)
        await one.contain(CASE)
    assert all(genuine(received) for received in receiver.all)
    assert [one.document["type"] for one in receiver.all[:4]] == [
        "agent.contain",
        "agent.release",
        "agent.restart",
        "agent.reset",
    ]
    assert receiver.all[0].document == {
        "type": "agent.contain",
        "timestamp": "<1.7e+09>",
        "data": {"agent_id": "agt_1", "incident_id": "inc_1"},
    }
    assert receiver.all[0].headers["webhook-timestamp"] == "1700000000"
    ids = receiver.ids()
    assert ids[0] == ids[4] == "msg_inc_1_contain" and len(set(ids)) == 4


async def test_without_an_incident_each_message_is_one_of_its_own() -> None:
    async with running_receiver() as receiver:
        for _ in range(2):
            await webhook(receiver.url).release(Case("agt_1", ""))
    assert len(set(receiver.ids())) == 2 and receiver.all[0].document["data"]["incident_id"] is None


@pytest.mark.parametrize("answer", ["500 Oh", "302 Found", "404 Not Found"])
async def test_an_answer_that_says_no_is_a_failure_and_no_redirect_is_followed(answer: str) -> None:
    async with running_receiver() as receiver:
        receiver.answer = lambda received: answer
        with pytest.raises(EnforcementFailed) as refused:
            await webhook(receiver.url, "control").reset(CASE)
    assert (refused.value.strategy, refused.value.reason) == ("control", f"answered {answer[:3]}")
    assert len(receiver.all) == 1


async def test_no_answer_is_a_failure_that_does_not_say_where() -> None:
    async with running_receiver() as receiver:
        receiver.answer = lambda received: None
        with pytest.raises(EnforcementFailed, match="does not answer") as refused:
            await webhook(receiver.url).contain(CASE)
    assert "127.0.0.1" not in str(refused.value) and "token" not in str(refused.value)
