"""How `leuko top` keeps up to date."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.commands.client import AdminClient, Failure
from gateway.commands.top_feed import Feed, answers
from tests.support.gateway import eventually
from tests.support.upstream import Conversation, Request, event, threaded

AGENT = {"agent_id": "agt_1", "requests": 1, "input_tokens": 2, "output_tokens": 3}
PAGES: dict[str, Any] = {
    "/agents": {"items": [AGENT], "next_cursor": "more"},
    "/approvals": {"items": [{"approval_id": "apr_1"}], "next_cursor": None},
    "/incidents": {"items": [{"incident_id": "inc_1"}], "next_cursor": None},
    "/providers": {"items": [{"name": "default"}], "next_cursor": None},
    "/quarantine": {"items": [], "stale_for": 3.0},
    "/mode": {"mode": "CALM"},
    "/stats": {"agents": 7},
}


class Gateway:
    """The admin API, as far as it is asked."""

    def __init__(self) -> None:
        self.pages = dict(PAGES)
        self.read = 0
        self.events: list[bytes] = []
        self.watching = threading.Event()

    async def __call__(self, request: Request, talk: Conversation) -> None:
        path = request.target.decode().removeprefix("/api/gateway").partition("?")[0]
        if path == "/events":
            await talk.start()
            for one in self.events:
                await talk.chunk(one)
            self.watching.set()
            await talk.hang()
        elif path in self.pages:
            self.read += path == "/agents"
            await talk.json(self.pages[path])
        else:
            await talk.json({"detail": "Not found."}, 404)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[AdminClient]:
    with threaded(gateway) as upstream:
        made = AdminClient(upstream.url, "adk_1")
        yield made
        made.close()


@pytest.fixture
def feed(client: AdminClient) -> Iterator[Feed]:
    made = Feed(client, lambda: None, every=60.0)
    yield made
    made.end()


def test_one_reading_asks_for_all_that_is_shown(client: AdminClient) -> None:
    found = answers(client, lambda: 5.0)
    assert (found.at, found.agents, found.more_agents) == (5.0, (AGENT,), True)
    assert found.approvals == ({"approval_id": "apr_1"},) and found.incidents == ({"incident_id": "inc_1"},)
    assert (found.mode, found.stats, found.stale_for) == ({"mode": "CALM"}, {"agents": 7}, 3.0)


def test_what_an_older_gateway_does_not_know_is_left_out(gateway: Gateway, client: AdminClient) -> None:
    gateway.pages = {"/agents": {"items": [], "next_cursor": None}}
    assert answers(client, lambda: 5.0).incidents == ()
    gateway.pages = {}
    with pytest.raises(Failure):
        answers(client)


def test_an_event_is_told_and_has_everything_read_again(gateway: Gateway, client: AdminClient) -> None:
    data = {"kind": "finding", "time": "2026-11-21T12:00:01.000Z", "data": {"agent_id": "agt_1", "detail": {"a": 1}}}
    gateway.events = [b": events follow\n\n", event("nonsense"), event([]), event(data, "finding")]
    changed = threading.Event()
    feed = Feed(client, changed.set, every=60.0)
    feed.begin()
    try:
        eventually(lambda: feed.event == data)
        eventually(lambda: gateway.read >= 2)
        assert changed.is_set()
    finally:
        feed.end()


def test_what_is_ordered_is_done_before_the_next_reading(feed: Feed, gateway: Gateway) -> None:
    feed.begin()
    done: list[int] = []
    feed.order(lambda: done.append(gateway.read))
    eventually(lambda: gateway.read == 2)
    assert done == [1]


def test_it_says_what_makes_it_stale(client: AdminClient, gateway: Gateway) -> None:
    now = [100.0]
    feed = Feed(client, lambda: None, clock=lambda: now[0], every=0.01)
    feed.read()
    assert feed.stale == "this replica has not reached Redis for 3 s"
    gateway.pages["/quarantine"] = {"items": [], "stale_for": None}
    feed.begin()
    try:
        assert feed.stale == ""
        gateway.pages["/agents"] = []
        eventually(lambda: feed.stale == "0 s old: an answer that cannot be read: TypeError")
        del gateway.pages["/agents"]
        eventually(lambda: feed.stale == "0 s old: 404 Not found.")
        gateway.pages["/agents"] = PAGES["/agents"]
        eventually(lambda: feed.stale == "")
    finally:
        feed.end()
    now[0] += 20.0
    assert feed.stale.startswith("20 s old")
