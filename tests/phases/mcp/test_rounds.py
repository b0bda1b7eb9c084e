"""Calls that a person has to approve, in both eras: asked for again in rounds, or kept alive until the ruling."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gateway.phases.mcp.rounds import OWN, SEALED, Rounds, is_own, is_sealed
from gateway.store.approval_record import Approval, Outcome
from gateway.store.approvals import Approvals
from gateway.store.connection import Connection
from gateway.store.grants import Grants
from gateway.store.memory import ActionMemory
from tests.support.mcp_path import NEW, call, mcp_path, request, result
from tests.support.mcp_server import running_mcp_server
from tests.support.upstream import ScriptedUpstream, json_answer

HOLD = {"tools": {"pay": {"approval": "always", "on_deny": {"hold": {"wait_seconds": 20}}}}}
SHORT = {"tools": {"pay": {"approval": "always", "on_deny": {"hold": {"wait_seconds": 0.05}}}}}
REFUSE = {"tools": {"pay": {"approval": "always"}}}
META = {"io.modelcontextprotocol/protocolVersion": NEW}
HEADERS = {"mcp_protocol_version": NEW, "mcp_method": "tools/call", "mcp_name": "pay"}


@asynccontextmanager
async def asking(url: str, *documents: Any, answer: Any = None, **options: Any) -> AsyncIterator[Any]:
    connection = Connection(url, op_timeout=5, connect_timeout=5)
    approvals = Approvals(connection, clock=time.time)
    running = asyncio.create_task(approvals.run())
    answer = answer or json_answer(result(content=[]))
    try:
        async with (
            ScriptedUpstream(answer) as upstream,
            mcp_path(upstream.url, *documents, approvals=approvals, **options) as world,
        ):
            yield world, approvals, upstream
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.close()


async def pending(approvals: Approvals) -> Approval:
    async with asyncio.timeout(10):
        while not (found := (await approvals.page("pending"))[0]):
            await asyncio.sleep(0.01)
    return found[0]


async def decide(approvals: Approvals, outcome: Outcome) -> None:
    await approvals.decide([(await pending(approvals)).approval_id], outcome, by="root")


def paying(state: str | None = None, **more: Any) -> dict[str, Any]:
    again = {} if state is None else {"requestState": state}
    return request("tools/call", name="pay", arguments={"to": "x"}, _meta=META, **again, **more)


async def decided_once_begun(world: Any, approvals: Approvals, outcome: Outcome) -> str:
    """The whole answer to a call that is decided when the first of it is there."""
    async with world.client.stream("POST", "/mcp/files", json=call("pay", 7), headers=world.headers()) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/event-stream"
        lines = answer.aiter_lines()
        said = [await anext(lines)]
        assert said == [":"]
        await decide(approvals, outcome)
        return "\n".join(said + [line async for line in lines])


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_state_is_good_for_one_agent_server_and_tool() -> None:
    rounds = Rounds(b"secret")
    made = rounds.state(1.5e9, "agt_1", "files", "pay")
    assert is_own(made) and rounds.since(made, "agt_1", "files", "pay") == 1.5e9
    for about in (("agt_2", "files", "pay"), ("agt_1", "other", "pay"), ("agt_1", "files", "get")):
        assert rounds.since(made, *about) is None
    assert Rounds(b"another").since(made, "agt_1", "files", "pay") is None
    for lifted in (None, "d", "dd", "ddd"):  # of every length: the last letter may hold bits that nobody needs
        whole = rounds.seal(about, now=1.5e9, state="theirs", under=(None, None, lifted))
        body, padding = whole.rstrip("="), whole.count("=") * "="
        changed = {
            body[:-1] + last + padding for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        }
        assert [one for one in changed if rounds.opened(one, about) is not None] == [whole]
        assert (
            rounds.opened(f"{whole}!", about) is None and rounds.opened(whole[:9] + "\u00e9" + whole[9:], about) is None
        )
    for wrong in (None, 7, "", "theirs", OWN, f"{OWN}%%%", f"{OWN}é", made[:-4], made[:20] + "A" + made[21:]):
        assert rounds.since(wrong, "agt_1", "files", "pay") is None


async def test_in_the_stateless_era_the_caller_asks_again_until_a_person_has_decided(redis_url: str) -> None:
    async with asking(redis_url, HOLD, rounds=Rounds(b"secret", seconds=0.05)) as (world, approvals, upstream):
        first = await world.post(paying(), **HEADERS)
        again = first.json()["result"]
        assert first.status_code == 200 and "x-gateway-denied" not in first.headers
        assert again["resultType"] == "input_required" and is_own(again["requestState"])
        waiting = await pending(approvals)
        assert again["_meta"]["io.leuko/approval"]["approval_id"] == waiting.approval_id
        second = (await world.post(paying(again["requestState"]), **HEADERS)).json()["result"]
        assert second["requestState"] == again["requestState"] and upstream.requests == []
        await decide(approvals, "approved")
        assert (await world.post(paying(again["requestState"], inputResponses={}), **HEADERS)).json() == result(
            content=[]
        )
        sent = upstream.requests[0].json()["params"]
        assert "requestState" not in sent and "inputResponses" not in sent and sent["arguments"] == {"to": "x"}
        assert (await world.settled(3)).vitals.denied_calls == 0


async def test_what_is_approved_within_a_round_is_made_at_once_and_what_is_rejected_refused(redis_url: str) -> None:
    async with asking(redis_url, HOLD, rounds=Rounds(b"secret", seconds=10)) as (world, approvals, upstream):
        asked = asyncio.create_task(world.post(paying(), **HEADERS))
        await decide(approvals, "approved")
        assert (await asked).json() == result(content=[])
        asked = asyncio.create_task(world.post(paying(), **HEADERS))
        await decide(approvals, "rejected")
        assert (await asked).json()["error"]["data"]["code"] == "approval_required"
        assert len(upstream.requests) == 1


async def test_rounds_end_with_the_time_that_the_rule_grants(redis_url: str) -> None:
    rounds = Rounds(b"secret", seconds=0.01)
    async with asking(redis_url, SHORT, rounds=rounds) as (world, _, upstream):
        state, answer = None, {}
        for _ in range(50):
            answer = (await world.post(paying(state), **HEADERS)).json()
            if "error" in answer:
                break
            state = answer["result"]["requestState"]
        assert answer["error"]["data"]["code"] == "approval_required" and answer["error"]["data"]["approval_id"]
        assert upstream.requests == []


async def test_without_a_hold_nobody_waits_and_a_servers_own_state_passes(redis_url: str) -> None:
    async with asking(redis_url, REFUSE, rounds=Rounds(b"secret")) as (world, approvals, upstream):
        refused = (await world.post(paying(), **HEADERS)).json()["result"]
        assert refused["isError"] is True and (await pending(approvals)).approval_id in refused["content"][0]["text"]
        headers = {**HEADERS, "mcp_name": "other"}
        message = request("tools/call", name="other", arguments={}, _meta=META, requestState="theirs")
        await world.post(message, key="agk_free", to="/mcp/files", **headers)


async def test_in_the_handshake_era_the_caller_hears_that_its_call_lives(redis_url: str) -> None:
    async with asking(redis_url, HOLD, rounds=Rounds(b"secret"), quiet=0.01) as (world, approvals, upstream):
        text = await decided_once_begun(world, approvals, "approved")
        assert events(text) == [result(content=[])] and len(upstream.requests) == 1


async def test_a_held_call_that_is_rejected_is_refused_in_the_stream_that_has_begun(redis_url: str) -> None:
    async with asking(redis_url, HOLD, quiet=0.01) as (world, approvals, upstream):
        text = await decided_once_begun(world, approvals, "rejected")
        (said,) = events(text)
        assert said["id"] == 7 and said["error"]["data"]["code"] == "approval_required"
        assert upstream.requests == []


async def test_a_stream_of_the_server_goes_on_where_the_answer_has_begun(redis_url: str) -> None:
    body = b"event: message\ndata: " + json.dumps(result(7, content=[])).encode() + b"\n\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with asking(redis_url, HOLD, answer=head + body, quiet=0.01) as (world, approvals, _):
        text = await decided_once_begun(world, approvals, "approved")
        assert events(text) == [result(7, content=[])]


async def test_a_server_that_fails_after_the_answer_began_is_told_in_it(redis_url: str) -> None:
    async with asking(redis_url, HOLD, answer=b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", quiet=0.01) as (
        world,
        approvals,
        _,
    ):
        text = await decided_once_begun(world, approvals, "approved")
        (said,) = events(text)
        assert said["id"] == 7 and said["error"]["data"]["code"] == "upstream_invalid"


async def test_a_caller_that_reads_no_streams_waits_for_a_whole_answer(redis_url: str) -> None:
    async with asking(redis_url, HOLD, quiet=0.01) as (world, approvals, _):
        asked = asyncio.create_task(world.post(call("pay", 7), accept="application/json"))
        await decide(approvals, "approved")
        assert (await asked).json() == result(content=[])


@pytest.mark.parametrize("mode", ["legacy", NEW])
async def test_the_real_client_waits_for_a_person_in_both_eras(redis_url: str, mode: str) -> None:
    connection = Connection(redis_url, op_timeout=5, connect_timeout=5)
    approvals = Approvals(connection, clock=time.time)
    running = asyncio.create_task(approvals.run())
    options: Any = {"approvals": approvals, "rounds": Rounds(b"secret", seconds=0.05), "quiet": 0.01}
    with running_mcp_server(streamable_http_path="/endpoint") as server:
        server.tool("pay", "Pays.")
        async with mcp_path(server.url.removesuffix("/mcp"), HOLD, **options) as world:
            headers = {"authorization": "Bearer agk_one"}
            async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
                transport = streamable_http_client(f"{world.url}/mcp/files", http_client=http)
                async with Client(transport, mode=mode) as client:
                    asked = asyncio.create_task(client.call_tool("pay", {"text": "me"}))
                    await decide(approvals, "approved")
                    said = await asked
    assert said.content[0].text == "pay me" and server.calls == [("pay", {"text": "me"})]  # type: ignore[union-attr]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await connection.close()


# A server that asks more


SPENT = {"default": "allow", "tools": {"pay": {"arguments": {"to": {"sum_max": {"value": 5, "per": "day"}}}}}}
MORE = {"resultType": "input_required", "requestState": "theirs", "inputRequests": {"sure": {}}}


def going_on(state: str | None = None, to: int = 5, tool: str = "pay") -> dict[str, Any]:
    again = {} if state is None else {"requestState": state, "inputResponses": {"sure": "yes"}}
    return request("tools/call", name=tool, arguments={"to": to}, _meta=META, **again)


@asynccontextmanager
async def servers_rounds(redis_url: str, *documents: Any, answer: Any = None) -> AsyncIterator[Any]:
    """A server that asks more of every call, under rules that count."""
    connection = Connection(redis_url, op_timeout=5, connect_timeout=5)
    options: Any = {"memories": ActionMemory(connection, b"root"), "once": Grants(connection).once}
    answer = json_answer(result(**MORE)) if answer is None else answer
    try:
        async with (
            ScriptedUpstream(answer) as upstream,
            mcp_path(upstream.url, *documents, rounds=Rounds(b"secret"), **options) as world,
        ):
            yield world, upstream
    finally:
        await connection.close()


def failed(answer: Any) -> bool:
    return answer.json()["result"].get("isError") is True


def state_in(answer: Any) -> str:
    state: str = answer.json()["result"]["requestState"]
    return state


def test_a_servers_state_is_opened_for_the_call_alone_that_it_was_sealed_for() -> None:
    rounds, about = Rounds(b"secret"), ("agt_1", "files", "pay", "h1")
    made = rounds.seal(about, now=1.5e9, state="theirs", under=("int_1", "s1", "d/tools/pay"))
    opened = rounds.opened(made, about)
    assert opened is not None and is_sealed(made) and not is_own(made)
    assert (opened.issued, opened.state, opened.intent, opened.step) == (1.5e9, "theirs", "int_1", "s1")
    assert opened.lifted == "d/tools/pay"
    for at in range(4):
        assert rounds.opened(made, (*about[:at], "x", *about[at + 1 :])) is None
    assert Rounds(b"another").opened(made, about) is None
    for wrong in (None, 7, "theirs", SEALED, f"{SEALED}%%%", made[:-4], made[:20] + "A" + made[21:]):
        assert rounds.opened(wrong, about) is None


async def test_a_call_that_its_server_asks_more_about_goes_on_without_being_counted_again(redis_url: str) -> None:
    async with servers_rounds(redis_url, SPENT) as (world, upstream):
        first = await world.post(going_on(), **HEADERS)
        assert is_sealed(state_in(first)) and first.json()["result"]["inputRequests"] == {"sure": {}}
        second = await world.post(going_on(state_in(first)), **HEADERS)
        third = await world.post(going_on(state_in(second)), **HEADERS)
        assert is_sealed(state_in(third))
        sent = [one.json()["params"] for one in upstream.requests]
        assert [one.get("requestState") for one in sent] == [None, "theirs", "theirs"]
        assert sent[2]["inputResponses"] == {"sure": "yes"}
        assert failed(await world.post(going_on(), **HEADERS))  # all of five is spent
        await world.settled(4)
        assert [seen.vitals.tool_calls for seen in world.sightings.all] == [1, 0, 0, 1]


async def test_one_round_goes_on_once_and_for_nobody_and_nothing_else(redis_url: str) -> None:
    async with servers_rounds(redis_url, SPENT) as (world, upstream):
        state = state_in(await world.post(going_on(), **HEADERS))
        assert failed(await world.post(going_on("theirs"), **HEADERS))
        assert failed(await world.post(going_on("leuko-round.AAAA"), **HEADERS))
        assert failed(await world.post(going_on(state, to=4), **HEADERS))
        answers = await asyncio.gather(*[world.post(going_on(state), **HEADERS) for _ in range(8)])
        assert sorted(map(failed, answers)) == [False, *[True] * 7]
        assert len(upstream.requests) == 2
        await world.post(going_on(state, to=1), key="agk_two", **HEADERS)  # it has five of its own
        assert upstream.requests[2].json()["params"]["requestState"] == state  # its server knows no such thing


async def test_what_is_denied_since_then_does_not_go_on(redis_url: str) -> None:
    modes = {"name": "shift", "modes": {"open": {"allow": ["*"]}, "shut": {"deny": ["pay"]}}}
    async with servers_rounds(redis_url, SPENT, modes) as (world, upstream):
        state = state_in(await world.post(going_on(), **HEADERS))
        world.modes["shift"] = "shut"
        assert failed(await world.post(going_on(state), **HEADERS)) and len(upstream.requests) == 1


async def test_without_rules_a_servers_state_passes_as_it_is(redis_url: str) -> None:
    async with servers_rounds(redis_url) as (world, upstream):
        assert state_in(await world.post(going_on(), **HEADERS)) == "theirs"
        await world.post(going_on("theirs"), **HEADERS)
        assert upstream.requests[1].json()["params"]["requestState"] == "theirs"


@pytest.mark.parametrize(
    "rule", [{"approval": "always"}, {"arguments": {"to": {"maximum": 1}}, "on_deny": {"hold": {"wait_seconds": 20}}}]
)
async def test_what_a_person_let_through_goes_on_without_being_asked_again(redis_url: str, rule: Any) -> None:
    held = {**rule, "on_deny": {"hold": {"wait_seconds": 20}}}
    connection = Connection(redis_url, op_timeout=5, connect_timeout=5)
    options: Any = {"rounds": Rounds(b"secret", seconds=10), "once": Grants(connection).once}
    documents, more = {"default": "allow", "tools": {"pay": held}}, json_answer(result(**MORE))
    async with asking(redis_url, documents, answer=more, **options) as (world, approvals, upstream):
        asked = asyncio.create_task(world.post(going_on(), **HEADERS))
        await decide(approvals, "approved")
        first = state_in(await asked)
        second = await world.post(going_on(first), **HEADERS)
        assert is_sealed(state_in(second))
        assert [one.json()["params"].get("requestState") for one in upstream.requests] == [None, "theirs"]
        assert (await approvals.page("pending"))[0] == []
    await connection.close()
