"""What can end an exchange from outside."""

from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route


class Task:
    cancelled = 0

    def cancel(self) -> bool:
        self.cancelled += 1
        return True

    def uncancel(self) -> int:
        return 0


def exchange(task: Task) -> Exchange:
    fields = {b"user-agent": b"caf\xe9"}
    return Exchange("req_1", Request("GET", "/", b"", [], fields, "127.0.0.1"), Route(None, "/"), task, 0.0)


def test_the_first_interruption_stands() -> None:
    task = Task()
    one = exchange(task)
    one.interrupt(Refusal("gateway_draining", "stopping"))
    one.client_gone()
    assert isinstance(one.interruption, Refusal)
    assert task.cancelled == 1


def test_a_settled_exchange_cannot_be_interrupted() -> None:
    task = Task()
    one = exchange(task)
    one.settled = True
    one.interrupt(ClientGone())
    assert (one.interruption, task.cancelled) == (None, 0)


def test_a_header_is_read_as_latin_1() -> None:
    assert exchange(Task()).request.header(b"user-agent") == "café"
    assert exchange(Task()).request.header(b"accept") is None
