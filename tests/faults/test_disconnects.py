"""Clients that leave, at every point of an exchange: the provider is told at once, and nothing is left behind."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.figures import Figures, milliseconds
from tests.faults.world import address, ask, chat, descriptors, gateway_process, request, settled, until
from tests.support.chat_streams import chunk, part
from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream, json_answer

Address = tuple[str, int]

TEXT = chunk({"content": "word " * 20})
CALL = chunk(part(name="get_weather", id="call_1", arguments='{"city":"Par'))


@dataclass
class Stage:
    """What both ends of the exchanges know of each other, by the number of the exchange."""

    random: random.Random
    arrived: dict[int, float] = field(default_factory=dict)
    gone: dict[int, float] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)

    @property
    def told_after(self) -> list[float]:
        """Seconds from a client's leaving (or its request's arrival, if that was later) to the provider's knowing."""
        return [gone - max(self.left[n], self.arrived[n]) for n, gone in self.gone.items() if n in self.left]

    async def provider(self, request: Request, talk: Conversation) -> None:
        """Never comes to an end by itself."""
        place, _, number = request.json()["user"].partition(":")
        if place == "none":
            await talk.send(json_answer({"choices": []}))
            return
        self.arrived[int(number)] = asyncio.get_running_loop().time()
        if place == "stream":
            await talk.start()
            while not talk.client_gone.is_set():
                await talk.chunk(TEXT)
                await asyncio.sleep(0.002)
        elif place == "call":
            await talk.start()
            await talk.chunk(TEXT)
            await talk.chunk(CALL)
            self.held.add(int(number))
        elif place == "whole":
            await talk.send(json_answer({"choices": [], "padding": "x" * 5000})[: self.random.randrange(80, 5000)])
        await talk.hang()
        assert talk.gone_at is not None
        self.gone[int(number)] = talk.gone_at

    async def leave(self, connection: RawConnection, number: int) -> None:
        """Gone, politely or not."""
        self.left[number] = asyncio.get_running_loop().time()
        if self.random.random() < 0.5:
            connection.reset()
        await connection.close()

    def asked(self, place: str, number: int, *, stream: bool = False, **headers: Any) -> bytes:
        return request(document=chat("gpt-x", user=f"{place}:{number}", stream=stream), **headers)


async def in_the_body(stage: Stage, to: Address, number: int) -> None:
    data = stage.asked("body", number, expect="100-continue")
    end_of_head = data.index(b"\r\n\r\n") + 4
    connection = await RawConnection.open(to)
    await connection.send(data[:end_of_head])
    assert (await connection.response_head())[0] == 100  # the exchange has begun
    await connection.send(data[end_of_head : stage.random.randrange(end_of_head, len(data))])
    await stage.leave(connection, number)


async def at_once(stage: Stage, to: Address, number: int) -> None:
    """The whole request and the end of the connection in one go."""
    connection = await RawConnection.open(to)
    await connection.send(stage.asked("wait", number, stream=stage.random.random() < 0.5))
    stage.left[number] = asyncio.get_running_loop().time()
    await connection.close()


async def while_waiting(stage: Stage, to: Address, number: int) -> None:
    connection = await RawConnection.open(to)
    await connection.send(stage.asked("wait", number, stream=stage.random.random() < 0.5))
    await until(lambda: number in stage.arrived)
    await asyncio.sleep(stage.random.random() * 0.02)
    await stage.leave(connection, number)


async def in_a_stream(stage: Stage, to: Address, number: int) -> None:
    connection = await RawConnection.open(to)
    await connection.send(stage.asked("stream", number, stream=True))
    await connection.reader.readexactly(stage.random.randrange(1, 5000))
    await stage.leave(connection, number)


async def in_a_held_call(stage: Stage, to: Address, number: int) -> None:
    connection = await RawConnection.open(to)
    await connection.send(stage.asked("call", number, stream=True))
    await connection.reader.readuntil(TEXT)
    await until(lambda: number in stage.held)
    await asyncio.sleep(stage.random.random() * 0.02)
    await stage.leave(connection, number)


async def in_a_whole_answer(stage: Stage, to: Address, number: int) -> None:
    connection = await RawConnection.open(to)
    await connection.send(stage.asked("whole", number))
    await until(lambda: number in stage.arrived)
    await asyncio.sleep(stage.random.random() * 0.02)
    await stage.leave(connection, number)


PLACES: tuple[Callable[[Stage, Address, int], Awaitable[None]], ...] = (
    in_the_body,
    at_once,
    while_waiting,
    in_a_stream,
    in_a_held_call,
    in_a_whole_answer,
)


async def disconnect(stage: Stage, to: Address, count: int, at_a_time: int = 12) -> None:
    """`count` clients that leave, a dozen at a time, each place in turn."""
    turns = iter(range(count))

    async def some() -> None:
        for number in turns:
            await PLACES[number % len(PLACES)](stage, to, number)

    await asyncio.gather(*(some() for _ in range(at_a_time)))


async def told(stage: Stage) -> None:
    """Every provider that was asked knows that its client has gone."""
    await until(
        lambda: stage.arrived.keys() == stage.gone.keys(), lambda: f"{stage.arrived.keys() - stage.gone.keys()}"
    )


async def clients_leave(count: int, redis_url: str) -> Stage:
    stage = Stage(random.Random(count))
    async with (
        ScriptedUpstream(stage.provider) as upstream,
        gateway_process(redis_url, upstream=upstream.url) as gateway,
    ):
        assert (await ask(gateway, stage.asked("none", 0))).status == 200
        await settled(gateway, 1)
        before = descriptors(gateway.pid)
        await disconnect(stage, address(gateway), count)
        await told(stage)
        totals = await settled(gateway, 1 + count)
        assert totals["client_gone"] == count
        assert totals["errors"] == 0
        await until(lambda: descriptors(gateway.pid) <= before, lambda: f"{descriptors(gateway.pid)} > {before}")
    assert len(stage.arrived) >= count // 2
    return stage


async def test_the_provider_is_told_when_clients_leave_and_nothing_is_left_of_them(redis_url: str) -> None:
    stage = await clients_leave(102, redis_url)
    assert max(stage.told_after) < 2


@pytest.mark.faults
async def test_a_thousand_clients_leave(redis_url: str, figures: Figures) -> None:
    stage = await clients_leave(1002, redis_url)
    figures.note(
        "client disconnects", clients=1002, providers_asked=len(stage.arrived), **milliseconds(stage.told_after)
    )
    assert max(stage.told_after) < 2


async def test_no_task_no_held_byte_and_no_connection_stays_of_clients_that_left() -> None:
    stage = Stage(random.Random(7))
    async with ScriptedUpstream(stage.provider) as upstream, running_path(upstream.url) as path:
        assert (await path.client.post("/v1/chat/completions", json=chat("gpt-x", user="none:0"))).status_code == 200
        await asyncio.sleep(0)
        before = len(asyncio.all_tasks())
        await disconnect(stage, path.address, 60)
        await told(stage)
        await path.sightings.settled(61)
        await until(lambda: len(asyncio.all_tasks()) <= before, lambda: "\n".join(map(repr, asyncio.all_tasks())))
        assert not path.pipeline.active
        assert not path.budget.used
        await until(lambda: len(path.server.state.connections) <= 1)  # the one of `path.client`
        assert not path.server.state.tasks
    gone = [seen.vitals.error_type for seen in path.sightings.all[1:]]
    assert gone == ["client_gone"] * 60
