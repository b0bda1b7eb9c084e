import asyncio

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from gateway.store.errors import StoreUnavailable
from gateway.store.links import Links, answers


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost", Connection),
        ("redis://user:p%40ss@host:7000/3", Connection),
        ("rediss://host?ssl_cert_reqs=required", SSLConnection),
        ("unix:///tmp/a%20b.sock?db=1", UnixDomainSocketConnection),
    ],
)
def test_each_form_of_url_has_its_link(url: str, kind: type) -> None:
    assert type(Links(url, connect_timeout=0.2).make()) is kind


def test_parts_of_the_url_are_read_unquoted() -> None:
    link = Links("redis://user:p%40ss@host:7000/3", connect_timeout=0.2).make()
    assert (link.host, link.port, link.username, link.password, link.db) == ("host", 7000, "user", "p@ss", 3)
    assert Links("unix:///tmp/a%20b.sock", connect_timeout=0.2).make().path == "/tmp/a b.sock"


def test_a_link_never_retries_and_leaves_time_to_its_owner() -> None:
    query = "socket_timeout=30&socket_connect_timeout=30&retry_on_timeout=yes&health_check_interval=9&protocol=3"
    link = Links(f"redis://localhost?{query}", connect_timeout=0.2).make()
    assert (link.socket_timeout, link.socket_connect_timeout) == (None, 0.2)
    assert link.retry.get_retries() == 0
    assert (link.health_check_interval, link.protocol) == (0, 2)


def test_other_hosts_are_reached_in_the_same_way() -> None:
    link = Links("rediss://user:pw@host:7000/3", connect_timeout=0.2).make(("other", 7001))
    assert type(link) is SSLConnection
    assert (link.host, link.port, link.username, link.db) == ("other", 7001, "user", 3)


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "unix://", "redis://h?db=x", "redis://h?foo=1", ""]
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the Redis URL"):
        Links(url, connect_timeout=0.2)


async def answer_after(seconds: float, answer: str) -> str:
    await asyncio.sleep(seconds)
    if not answer:
        raise StoreUnavailable("connection")
    return answer


async def test_those_who_answer_soon_after_the_first_are_heard_in_the_order_asked() -> None:
    asked = [answer_after(0.05, "a"), answer_after(0, ""), answer_after(0, "b"), answer_after(600, "c")]
    assert await answers(asked, patience=0.5) == ["a", "b"]


async def test_only_when_nobody_answers_it_is_an_error() -> None:
    with pytest.raises(StoreUnavailable):
        await answers([answer_after(0, ""), answer_after(0.01, "")], patience=0)
    with pytest.raises(StoreUnavailable):
        await answers([], patience=0)


async def test_a_question_is_given_up_with_its_asker() -> None:
    task = asyncio.create_task(answers([answer_after(600, "a")], patience=0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
