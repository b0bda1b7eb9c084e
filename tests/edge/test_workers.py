"""A parent and its workers, as processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from gateway.edge.workers import ID_VARIABLE, PARENT_VARIABLE, watch_parent, worker_id
from tests.support.edge import PATIENCE, process
from tests.support.raw_http import RawConnection

Address = tuple[str, int]
Process = subprocess.Popen[bytes]

PARENT = """
import logging, os, sys, uvloop
from gateway.edge.sockets import bind
from gateway.edge.workers import RestartPolicy, run_workers

logging.basicConfig(stream=sys.stderr, format="%(message)s", level="INFO")
sockets = bind("127.0.0.1", 0)
print(sockets[0].getsockname()[1], flush=True)
restarts = RestartPolicy(settled_after=0.0 if "SETTLED" in os.environ else 5.0, first_delay=0.05, early_deaths=3)
sys.exit(uvloop.run(run_workers(2, os.environ["WORKER_ARGV"].split("|"), {"main": sockets}, restarts=restarts)))
"""
SERVE = "-m|tests.support.draining_app"


@contextlib.asynccontextmanager
async def parent(argv: str = SERVE, **env: str) -> AsyncIterator[tuple[Process, Address]]:
    """A parent process, and the address of its workers. None of them outlives the test."""
    with process(PARENT, env={"WORKER_ARGV": argv, **env}, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        workers: list[psutil.Process] = []
        try:
            yield child, ("127.0.0.1", int(await asyncio.to_thread(child.stdout.readline)))
            workers = children(child)
        finally:
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
            child.stderr.close()


def children(parent: Process) -> list[psutil.Process]:
    return psutil.Process(parent.pid).children() if parent.poll() is None else []


async def who_serves(address: Address) -> tuple[int, int]:
    """(worker's number, process id) of whoever takes a new connection."""
    async with await RawConnection.open(address) as connection:
        await connection.send(b"GET /id HTTP/1.1\r\nHost: a\r\n\r\n")
        worker, pid = (await connection.response()).body.split()
    return int(worker), int(pid)


async def serving_pids(address: Address, wanted: Callable[[dict[int, int]], bool]) -> dict[int, int]:
    """Ask until the answers, process by worker, are as wanted."""
    seen: dict[int, int] = {}
    async with asyncio.timeout(30):
        while not wanted(seen):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                connections = await asyncio.gather(*(who_serves(address) for _ in range(20)))
                seen.update(connections)
    return seen


async def test_a_hangup_that_a_worker_cannot_hear_yet_is_no_failure_of_it() -> None:
    async with parent("-c|import time; time.sleep(60)") as (child, _):
        await started(child, 2)
        before = {worker.pid for worker in children(child)}
        async with asyncio.timeout(PATIENCE):  # what is a fork of the parent still takes signals as it does
            while any("time.sleep" not in worker.cmdline()[-1] for worker in children(child)):
                await asyncio.sleep(0.02)
        os.kill(child.pid, signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            while before & (now := {worker.pid for worker in children(child)}) or len(now) < 2:
                await asyncio.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        assert await ended(child) == 0
        assert child.stderr is not None and b"restart in" not in child.stderr.read()


async def started(child: Process, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(children(child)) < count:
            await asyncio.sleep(0.02)


async def gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


async def ended(child: Process) -> int:
    return await asyncio.to_thread(child.wait, 20)


async def test_both_workers_serve_and_sigterm_drains_them() -> None:
    async with parent() as (child, address):
        await serving_pids(address, lambda seen: len(seen) == 2)
        stream = await RawConnection.open(address)
        await stream.send(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.response_head()
        child.send_signal(signal.SIGTERM)
        body, whole = await stream._chunks()
        assert whole
        assert b"gateway_draining" in body
        await stream.close()
        assert await ended(child) == 0


async def test_a_killed_worker_is_replaced_under_its_number() -> None:
    async with parent(SETTLED="1") as (child, address):
        before = await serving_pids(address, lambda seen: len(seen) == 2)
        os.kill(before[1], signal.SIGKILL)
        after = await serving_pids(address, lambda seen: seen.get(1, before[1]) != before[1])
        assert after[0] == before[0]
        child.send_signal(signal.SIGINT)
        assert await ended(child) == 0


async def test_workers_that_die_at_once_make_the_parent_give_up_and_say_so() -> None:
    async with parent("-c|raise SystemExit(7)") as (child, _):
        assert await ended(child) == 1
        assert child.stderr is not None
        assert b"died 3 times as soon as it was started, last with exit code 7" in child.stderr.read()


async def test_a_second_sigterm_is_passed_on() -> None:
    async with parent(DRAIN_SECONDS="3600", GRACE_SECONDS="3600") as (child, address):
        pids = await serving_pids(address, lambda seen: len(seen) == 2)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            while True:  # until both have noticed the first one
                connections = [await RawConnection.open(address) for _ in range(10)]
                for connection in connections:
                    await connection.send(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n")
                answers = [(await connection.response()).status for connection in connections]
                for connection in connections:
                    await connection.close()
                if set(answers) == {503}:
                    break
        assert children(child)
        child.send_signal(signal.SIGTERM)
        assert await ended(child) == 0
        for pid in pids.values():
            await gone(pid)


async def test_sighup_reaches_the_workers_and_nothing_stops() -> None:
    async with parent() as (child, address):
        await serving_pids(address, lambda seen: len(seen) == 2)
        child.send_signal(signal.SIGHUP)
        assert child.stdout is not None
        lines = [await asyncio.to_thread(child.stdout.readline) for _ in range(4)]  # two ports, two hang-ups
        assert lines.count(b"hangup\n") == 2
        child.send_signal(signal.SIGTERM)
        assert await ended(child) == 0


async def test_workers_end_when_their_parent_is_killed() -> None:
    async with parent(GRACE_SECONDS="3600") as (child, address):
        pids = await serving_pids(address, lambda seen: len(seen) == 2)
        stream = await RawConnection.open(address)
        await stream.send(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.response_head()
        child.kill()
        _, whole = await stream._chunks()
        assert whole, "a stream was cut"
        await stream.close()
        for pid in pids.values():
            await gone(pid)


async def test_clients_are_refused_and_not_queued_once_the_workers_listen_no_more() -> None:
    async with parent(DRAIN_SECONDS="3600") as (child, address):
        await serving_pids(address, lambda seen: len(seen) == 2)
        stream = await RawConnection.open(address)
        await stream.send(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.response_head()
        child.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await (await RawConnection.open(address)).close()
        child.send_signal(signal.SIGTERM)
        assert (await stream._chunks())[1]
        await stream.close()
        assert await ended(child) == 0


async def test_a_process_that_is_no_worker_watches_nobody() -> None:
    watch_parent({}, lambda: pytest.fail("no parent can have died"))
    assert worker_id({}) == 0
    assert worker_id({ID_VARIABLE: "3"}) == 3


async def test_the_end_of_the_pipe_is_the_death_of_the_parent() -> None:
    reading, writing = os.pipe()
    dead = asyncio.Event()
    watch_parent({PARENT_VARIABLE: str(reading)}, dead.set)
    await asyncio.sleep(0)
    assert not dead.is_set()
    os.close(writing)
    await asyncio.wait_for(dead.wait(), PATIENCE)
