"""The timer over all connections, and the handle of a request."""

import asyncio
import time

from gateway.edge.connections import Connection, EdgeState, Limits


class Noted:
    """A connection that notes when it was looked at."""

    def __init__(self, state: EdgeState) -> None:
        self.state = state
        self.checks: list[float] = []
        self.checked = asyncio.Event()

    def check(self) -> None:
        self.checks.append(self.state.now)
        self.checked.set()

    def close_idle(self, *, fresh: bool) -> None: ...

    def abort(self) -> None: ...


def test_what_a_client_may_take_by_default() -> None:
    limits = Limits()
    assert (limits.header_seconds, limits.body_stall_seconds, limits.keep_alive_seconds) == (10, 30, 15)
    assert (limits.max_headers, limits.max_header_bytes) == (64, 32 * 1024)
    assert limits.body_min_bytes_per_second == 1024
    assert (limits.write_buffer, limits.write_stall_seconds) == (256 * 1024, 30)


def test_every_deadline_is_kept_to_an_eighth_or_half_a_second() -> None:
    assert Limits().tick == 0.5
    assert Limits(keep_alive_seconds=0.8).tick == 0.1


async def test_time_in_which_the_process_could_not_serve_does_not_count() -> None:
    state = EdgeState(Limits(header_seconds=0.08))
    noted = Noted(state)
    state.connections.add(noted)
    state.start()
    for _ in range(2):
        noted.checked.clear()
        await asyncio.wait_for(noted.checked.wait(), 5)
    before = state.now
    time.sleep(1.0)
    noted.checked.clear()
    await asyncio.wait_for(noted.checked.wait(), 5)
    state.stop()
    assert 0 < state.now - before < 0.5
    count = len(noted.checks)
    await asyncio.sleep(4 * state.limits.tick)
    assert len(noted.checks) == count, "a stopped timer ticks"


def test_a_handle_tells_once() -> None:
    told: list[str] = []
    handle = Connection("::1", lambda: told.append("abort"))
    handle.on_gone = lambda: told.append("gone")
    handle.lose()
    handle.lose()
    handle.abort()
    assert told == ["gone"]
    assert handle.gone


def test_a_finished_handle_does_nothing() -> None:
    told: list[str] = []
    handle = Connection("::1", lambda: told.append("abort"))
    handle.on_gone = lambda: told.append("gone")
    handle.finish()
    handle.abort()
    handle.lose()
    assert told == []
