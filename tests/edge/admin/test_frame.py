"""What every admin request passes before its route."""

import asyncio
from ipaddress import ip_network
from typing import Any

import httpx
from starlette.responses import PlainTextResponse, StreamingResponse

from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.changes import Changes
from gateway.edge.admin.frame import Frame
from gateway.model.audit import AuditEntry
from gateway.store.errors import StoreUnavailable

KEY = {"x-admin-key": "a-key-of-the-settings"}


def framed(app: Any, entries: list[AuditEntry], access: AdminAccess | None = None) -> httpx.AsyncClient:
    changes = Changes(entries.append, lambda kind, data: None, lambda: 5.0)
    access = access or AdminAccess("a-key-of-the-settings")
    frame = Frame(app, access=access, changes=changes, base="/api", seconds=0.05)
    transport = httpx.ASGITransport(frame, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://x", headers=KEY)


async def test_an_answer_that_does_not_begin_in_time_is_given_up() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    entries: list[AuditEntry] = []
    async with framed(never, entries) as client:
        answer = await client.post("/api/things")
    assert (answer.status_code, entries[1].metadata) == (504, {"status": 504})


async def test_an_answer_that_has_begun_may_go_on() -> None:
    async def slowly() -> Any:
        for _ in range(3):
            await asyncio.sleep(0.04)
            yield "."

    async with framed(StreamingResponse(slowly()), []) as client:
        assert (await client.get("/api/events")).text == "..."


async def test_a_failure_is_recorded_as_one() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    entries: list[AuditEntry] = []
    async with framed(fails, entries) as client:
        await client.delete("/api/things/1")
    assert (entries[1].action, entries[1].resource, entries[1].metadata) == (
        "delete:thing", "/things/1", {"status": 500},
    )  # fmt: skip


async def test_where_keys_cannot_be_looked_up_it_is_not_the_keys_fault() -> None:
    class Lost:
        async def find(self, shown: str) -> None:
            raise StoreUnavailable("timeout")

        get = find

    access = AdminAccess("another-key-of-the-settings", Lost())
    async with framed(PlainTextResponse("in"), [], access) as client:
        assert (await client.get("/api/things")).status_code == 503
        right = {"x-admin-key": "another-key-of-the-settings"}
        assert (await client.get("/api/things", headers=right)).text == "in"


async def test_wrong_keys_from_one_address_have_to_wait_and_a_right_one_passes() -> None:
    entries: list[AuditEntry] = []
    changes = Changes(entries.append, lambda kind, data: None, lambda: 5.0)
    access = AdminAccess("a-key-of-the-settings", None, Backoff(lambda: 1000.0), changes.refused)
    async with framed(PlainTextResponse("in"), [], access) as client:
        answers = [await client.get("/api/things", headers={"x-admin-key": f"wrong-{n}"}) for n in range(20)]
        assert [answer.status_code for answer in answers] == [401] * 11 + [429] * 9
        assert answers[-1].headers["retry-after"] == "1"
        assert (await client.get("/api/things", headers={"x-admin-key": ""})).status_code == 401
        assert (await client.get("/api/things")).text == "in"
    assert [entry.metadata["wrong_keys"] for entry in entries] == [1]


async def test_behind_a_trusted_proxy_the_caller_waits_and_not_the_proxy() -> None:
    access = AdminAccess("a-key", None, Backoff(lambda: 1000.0), trusted_proxies=[ip_network("127.0.0.0/8")])
    async with framed(PlainTextResponse("in"), [], access) as client:
        for number in range(20):
            headers = {"x-admin-key": f"wrong-{number}", "x-forwarded-for": "192.0.2.1"}
            last = await client.get("/api/things", headers=headers)
        other = await client.get("/api/things", headers={"x-admin-key": "wrong", "x-forwarded-for": "192.0.2.2"})
    assert (last.status_code, other.status_code) == (429, 401)
