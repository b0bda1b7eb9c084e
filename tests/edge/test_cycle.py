"""One request and its response, on a wire that keeps what is written."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.edge.asgi import Receive, Scope, Send
from gateway.edge.cycle import BODY_BUFFER, RequestCycle
from gateway.edge.framing import HeadReader
from tests.support.edge import answer, body_message, read_body, start_message

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Paper:
    """A wire that keeps everything."""

    def __init__(self, *, persistent: bool = True) -> None:
        self.written = b""
        self.events: list[str] = []
        self.write_paused = False
        self.resumed = asyncio.Event()
        self.persistent = persistent

    async def writable(self) -> None:
        await self.resumed.wait()

    def write(self, data: bytes) -> None:
        self.written += data

    def resume_reading(self) -> None:
        self.events.append("resume reading")

    def pause_reading(self) -> None:
        self.events.append("pause reading")

    def persists(self) -> bool:
        return self.persistent

    def on_complete(self, keep_alive: bool) -> None:
        self.events.append(f"complete, keep alive {keep_alive}")

    def close(self) -> None:
        self.events.append("close")


def cycle_on(paper: Paper, head: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", *, ended: bool = True) -> RequestCycle:
    cycle = RequestCycle(paper, HeadReader(64).read(head))
    if ended:
        cycle.end()
    return cycle


def app_that_sends(*messages: dict[str, object]) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def test_an_answer_without_a_length_is_chunked() -> None:
    paper = Paper()
    messages = start_message(), body_message(b"one", more=True), body_message(b"", more=True), body_message(b"two")
    await cycle_on(paper).run(app_that_sends(*messages), {})
    assert paper.written == (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert paper.events == ["complete, keep alive True"]


async def test_an_answer_that_ends_with_an_empty_body_has_one_terminator() -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(start_message(), body_message(b"x", more=True), body_message(b"")), {})
    assert paper.written.endswith(b"1\r\nx\r\n0\r\n\r\n")


async def test_an_answer_with_a_length_is_not_chunked_and_framing_of_the_application_is_dropped() -> None:
    paper = Paper()
    start = start_message(201, (b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked"))
    await cycle_on(paper).run(app_that_sends(start, body_message(b"ok")), {})
    assert paper.written == b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok"


async def test_an_answer_is_complete_with_its_last_promised_byte_whatever_its_application_does_after_it() -> None:
    paper = Paper()
    start = start_message(200, (b"content-length", b"4"))
    seen: list[list[str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in start, body_message(b"ab", more=True), body_message(b"cd", more=True), body_message(b""):
            await send(message)
            seen.append([*paper.events])

    await cycle_on(paper).run(app, {})
    assert paper.written == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd"
    assert seen == [[], [], ["complete, keep alive True"], ["complete, keep alive True"]]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body_may_have_a_length(status: int) -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(start_message(status, (b"content-length", b"9")), body_message(b"")), {})
    assert paper.written.endswith(b"content-length: 9\r\n\r\n")
    assert paper.events == ["complete, keep alive True"]


async def test_the_answer_to_head_has_the_head_only() -> None:
    paper = Paper()
    cycle = cycle_on(paper, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    await cycle.run(app_that_sends(start_message(200, (b"content-length", b"2")), body_message(b"ok")), {})
    assert paper.written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


async def test_an_http_1_0_client_gets_no_chunks() -> None:
    paper = Paper()
    await cycle_on(paper, b"GET / HTTP/1.0\r\n\r\n").run(app_that_sends(start_message(), body_message(b"ok")), {})
    assert paper.written == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok"
    assert paper.events == ["complete, keep alive False"]


@pytest.mark.parametrize("body", [b"", b"o", b"oka"])
async def test_a_body_of_another_length_than_promised_is_a_500_while_nothing_has_left(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(start_message(200, (b"content-length", b"2")), body_message(body)), {})
    assert paper.written.startswith(b"HTTP/1.1 500 ")
    assert paper.written.endswith(b'"internal_error"}}')
    assert "promised" in caplog.text


@pytest.mark.parametrize("more", [b"", b"kay"])
async def test_a_body_that_turns_out_to_have_another_length_than_promised_ends_the_connection(
    more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    paper = Paper()
    start = start_message(200, (b"content-length", b"2"))
    await cycle_on(paper).run(app_that_sends(start, body_message(b"o", more=True), body_message(more)), {})
    assert paper.written.endswith(b"\r\n\r\no")
    assert paper.events == ["close"]
    assert "promised" in caplog.text


async def test_an_application_that_fails_before_it_answers_makes_a_500_without_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("sk-secret")

    paper = Paper()
    await cycle_on(paper).run(fail, {})
    assert paper.written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b'"code":"internal_error"' in paper.written
    assert b"connection: close" in paper.written
    assert b"secret" not in paper.written


async def test_an_application_that_stops_in_the_middle_ends_the_connection_without_a_terminator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(start_message(), body_message(b"x", more=True)), {})
    assert paper.written.endswith(b"1\r\nx\r\n")
    assert paper.events == ["close"]


async def test_a_cancelled_application_ends_the_connection_and_stays_cancelled() -> None:
    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    paper = Paper()
    task = asyncio.create_task(cycle_on(paper).run(wait, {}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert paper.events == ["close"]


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nb", b"a\x00"])
async def test_a_header_that_would_break_out_of_its_line_becomes_a_500(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(start_message(200, (b"x", value)), body_message(b"")), {})
    assert paper.written.startswith(b"HTTP/1.1 500 ")
    assert b"evil" not in paper.written


@pytest.mark.parametrize("messages", [[body_message(b"")], [start_message(), start_message()]])
async def test_messages_in_the_wrong_order_are_an_error(
    messages: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    paper = Paper()
    await cycle_on(paper).run(app_that_sends(*messages), {})
    assert "unexpected ASGI message" in caplog.text


async def test_nothing_is_written_after_the_client_is_gone_and_nothing_raises() -> None:
    paper = Paper()
    cycle = cycle_on(paper)
    cycle.lose()
    await cycle.send(start_message())
    await cycle.send(body_message(b"x"))
    await cycle.run(app_that_sends(start_message(), body_message(b"x")), {})
    assert paper.written == b""
    assert paper.events == []
    assert await cycle.receive() == {"type": "http.disconnect"}


async def test_a_sender_waits_for_a_slow_client() -> None:
    paper = Paper()
    cycle = cycle_on(paper)
    await cycle.send(start_message())
    paper.write_paused = True
    sending = asyncio.create_task(cycle.send(body_message(b"late")))
    await asyncio.sleep(0)
    assert b"late" not in paper.written
    paper.resumed.set()
    await sending
    assert b"late" in paper.written


async def test_a_body_arrives_in_order_and_a_large_one_pauses_reading() -> None:
    paper = Paper()
    cycle = cycle_on(paper, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", ended=False)
    cycle.feed(b"a" * BODY_BUFFER)
    assert paper.events == []
    cycle.feed(b"b")
    assert paper.events == ["pause reading"]
    assert await cycle.receive() == {"type": "http.request", "body": b"a" * BODY_BUFFER + b"b", "more_body": True}
    assert paper.events == ["pause reading", "resume reading"]
    waiting = asyncio.create_task(read_body(cycle.receive))
    await asyncio.sleep(0)
    cycle.feed(b"c")
    cycle.end()
    assert await waiting == b"c"


async def test_receive_after_the_body_waits_for_the_client_to_leave() -> None:
    cycle = cycle_on(Paper())
    assert await cycle.receive() == {"type": "http.request", "body": b"", "more_body": False}
    waiting = asyncio.create_task(cycle.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    cycle.lose()
    assert await waiting == {"type": "http.disconnect"}


async def test_receive_after_the_answer_says_disconnected() -> None:
    cycle = cycle_on(Paper())
    await answer(cycle.send, b"ok")
    assert await cycle.receive() == {"type": "http.disconnect"}


async def test_continue_is_said_once_and_only_if_the_application_wants_the_body() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    wanting, paper = cycle_on(paper := Paper(), head, ended=False), paper
    assert wanting.waits_for_application
    waiting = asyncio.create_task(wanting.receive())
    await asyncio.sleep(0)
    assert paper.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not wanting.waits_for_application
    wanting.feed(b"x")
    await waiting
    unwanting = cycle_on(paper := Paper(), head, ended=False)
    await answer(unwanting.send, b"no", status=401)
    assert paper.written.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert paper.events == ["complete, keep alive False"]


async def test_every_response_closes_while_the_server_drains() -> None:
    paper = Paper(persistent=False)
    await answer(cycle_on(paper).send, b"ok")
    assert b"connection: close\r\n" in paper.written
    assert paper.events == ["complete, keep alive False"]


async def test_a_part_is_pushed_at_once_only_while_the_client_is_there_and_keeps_up() -> None:
    paper = Paper()
    cycle = cycle_on(paper)
    assert not cycle.ready()  # nothing has begun
    await cycle.send(start_message())
    assert cycle.ready()
    cycle.push(b"one")
    assert paper.written.endswith(b"\r\n\r\n3\r\none\r\n")
    paper.write_paused = True
    assert not cycle.ready()
    paper.write_paused = False
    cycle.lose()
    assert not cycle.ready()


async def test_nothing_is_pushed_after_the_end() -> None:
    cycle = cycle_on(Paper())
    await cycle.send(start_message())
    await cycle.send(body_message(b""))
    assert not cycle.ready()


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("body", [b"", b"ok"])
async def test_a_whole_answer_at_once_says_what_one_that_is_sent_does(persistent: bool, body: bytes) -> None:
    sent, at_once = Paper(persistent=persistent), Paper(persistent=persistent)
    length = b"content-length", b"%d" % len(body)
    await cycle_on(sent).run(app_that_sends(start_message(200, (b"a", b"b"), length), body_message(body)), {})
    cycle = cycle_on(at_once)
    assert cycle.answer(200, [(b"a", b"b")], body)
    assert sorted(at_once.written.split(b"\r\n")) == sorted(sent.written.split(b"\r\n"))
    assert at_once.written.endswith(b"\r\n\r\n" + body)
    assert at_once.events == sent.events == [f"complete, keep alive {persistent}"]
    assert (await cycle.receive())["type"] == "http.disconnect"
    assert not cycle.answer(200, [], b"again")


async def test_a_whole_answer_before_the_end_of_the_request_closes_the_connection() -> None:
    paper = Paper()
    assert cycle_on(paper, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", ended=False).answer(
        413, [], b"no"
    )
    assert b"\r\nconnection: close\r\n\r\nno" in paper.written
    assert paper.events == ["complete, keep alive False"]


@pytest.mark.parametrize(
    ("status", "name"), [(204, b"a"), (304, b"a"), (200, b"connection"), (200, b"transfer-encoding")]
)
async def test_what_is_not_an_ordinary_answer_is_not_sent_at_once(status: int, name: bytes) -> None:
    paper = Paper()
    assert not cycle_on(paper).answer(status, [(name, b"close")], b"")
    assert not cycle_on(paper, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").answer(200, [], b"")
    slow, left = cycle_on(Paper()), cycle_on(Paper())
    slow._wire.write_paused = True
    left.lose()
    assert not slow.answer(200, [], b"") and not left.answer(200, [], b"")
    assert paper.written == b"" and paper.events == []


async def test_a_whole_answer_with_a_header_that_would_break_out_of_its_line_is_not_written() -> None:
    paper = Paper()
    cycle = cycle_on(paper)
    with pytest.raises(ValueError, match="header"):
        cycle.answer(200, [(b"a", b"b\r\nc: d")], b"ok")
    assert paper.written == b"" and not cycle.started
