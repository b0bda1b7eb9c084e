"""What the connections of a process share: their limits, the timer that watches over them, the handle requests get."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

EXTENSION = "leuko"
"""`scope["extensions"][EXTENSION]` is the request's `Connection`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take; seconds and bytes. A passed deadline closes the connection."""

    header_seconds: float = 10.0
    """From a connection's or a request's first moment to the end of its head."""
    body_stall_seconds: float = 30.0
    """Without one byte of a body that is due."""
    body_min_bytes_per_second: int = 1024
    """On average, judged once `body_stall_seconds` have passed."""
    keep_alive_seconds: float = 15.0
    """Between requests."""
    max_headers: int = 64
    max_header_bytes: int = 32768
    """The whole head with its request line."""
    write_stall_seconds: float = 30.0
    """Without one byte taken by a client that has more than `write_buffer` to read, or whose connection closes."""
    write_buffer: int = 262144
    linger_seconds: float = 2.0
    """How long an unread request is still taken in after its refusal: closing at once could lose the refusal."""

    @property
    def tick(self) -> float:
        """Seconds between two looks at all connections, and so the precision of every deadline."""
        shortest = min(self.header_seconds, self.body_stall_seconds, self.keep_alive_seconds, self.write_stall_seconds)
        return min(0.5, shortest / 8)


class Connection:
    """A request's handle on its connection: `scope["extensions"][EXTENSION]`.

    `on_gone` is called once, without arguments, when the client is gone before the response is complete. Whoever sets
    it looks at `gone` first. Each request has a handle of its own: what an application does with it after its response
    must not touch the next request on the same connection.
    """

    __slots__ = ("_abort", "direct", "gone", "on_gone", "peer")

    def __init__(self, peer: str, abort: Callable[[], None], direct: Any = None) -> None:
        self.peer = peer
        """The client's IP address, empty if unknown."""
        self.direct = direct
        """Writes the response without waiting: a `phases.caller.Direct`, or None."""
        self.gone = False
        self.on_gone: Callable[[], None] | None = None
        self._abort: Callable[[], None] | None = abort

    def abort(self) -> None:
        """Cut the connection at once, so that the client cannot take a truncated answer for a whole one."""
        if self._abort is not None:
            self._abort()

    def lose(self) -> None:
        """For the connection: the client is gone."""
        on_gone = self.on_gone
        self.gone = True
        self.finish()
        if on_gone is not None:
            on_gone()

    def finish(self) -> None:
        """For the connection: the response is complete, so this handle holds nothing any more."""
        self._abort = self.on_gone = None


class Watched(Protocol):
    """A connection, as those see it that look after all of them."""

    def check(self) -> None:
        """Close if a deadline of its phase has passed."""

    def close_idle(self, *, fresh: bool) -> None:
        """Close if no request is under way; with `fresh` also if none ever was."""

    def abort(self) -> None:
        """Cut at once."""


@dataclass(slots=True)
class EdgeState:
    """What all connections of a process share, and the one timer that watches over them."""

    limits: Limits = field(default_factory=Limits)
    draining: bool = False
    """Every response now says `connection: close`."""
    closing: bool = False
    """No further connection is taken."""
    now: float = 0.0
    """Seconds this process was able to serve, as of the last tick: while it is blocked or stopped no deadline runs,
    since what clients sent meanwhile has not been read."""
    step: float = 0.0
    """By how much the last tick moved `now`."""
    connections: set[Watched] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ticked: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tick. Needs the running loop."""
        self._ticked = asyncio.get_running_loop().time()
        self._tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.limits.tick, self._tick)
        ticked, self._ticked = self._ticked, loop.time()
        self.step = min(self._ticked - ticked, 2 * self.limits.tick)
        self.now += self.step
        for connection in list(self.connections):
            connection.check()
