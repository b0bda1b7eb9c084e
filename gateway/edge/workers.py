"""Several processes on the same sockets: a parent that binds, starts workers, restarts dead ones and passes signals on.

The parent serves nothing. A worker is a fresh interpreter (`python -m gateway …`), never a fork of a running loop. It
finds in its environment

    LEUKO_WORKER_SOCKETS    the listening sockets, see `sockets.inherited_sockets`
    LEUKO_WORKER_PARENT_FD  a pipe that reports end of file when the parent is dead, see `watch_parent`
    LEUKO_WORKER_ID         its number, from 0, kept by its successor
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.edge.sockets import SOCKETS_VARIABLE, describe

PARENT_VARIABLE = "LEUKO_WORKER_PARENT_FD"
ID_VARIABLE = "LEUKO_WORKER_ID"

_ENDED_WELL = (0, -signal.SIGTERM)
"""While stopping. The signal kills a worker only before it can drain, that is before it serves."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a worker that died is started again, and when no more; seconds."""

    settled_after: float = 10.0
    """A worker that lived this long had started properly."""
    first_delay: float = 0.5
    """Before a restart after an early death; doubled for each further one in a row."""
    longest_delay: float = 10.0
    early_deaths: int = 5
    """In a row, of one worker: then everything ends."""


async def run_workers(
    count: int,
    argv: Sequence[str],
    sockets: Mapping[str, Sequence[socket.socket]],
    *,
    env: Mapping[str, str] | None = None,
    restarts: RestartPolicy | None = None,
) -> int:
    """Run `count` workers until told to stop; returns the exit code.

    Args:
        argv: a worker's command line after the interpreter, such as `["-m", "gateway", "serve"]`.
        sockets: bound ones, by a name that the worker finds them under.
        env: the workers' environment; this process's own by default.

    SIGTERM and SIGINT make the workers drain, and are passed on as SIGTERM each time they come: before a worker can
    drain, that ends it without a word. SIGHUP is passed on. 0 if every worker ended well after that, 1 if not or if
    workers keep dying as soon as they start. Closes `sockets`.
    """
    supervisor = _Supervisor(argv, sockets, os.environ if env is None else env, restarts or RestartPolicy())
    return await supervisor.run(count)


def watch_parent(env: Mapping[str, str], on_death: Callable[[], None]) -> None:
    """In a worker, inside its loop: call `on_death` once the parent is dead. Does nothing elsewhere."""
    value = env.get(PARENT_VARIABLE)
    if value is None:
        return
    fd = int(value)
    loop = asyncio.get_running_loop()

    def dead() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        on_death()

    loop.add_reader(fd, dead)


def worker_id(env: Mapping[str, str]) -> int:
    """This worker's number, 0 for a process that is none."""
    return int(env.get(ID_VARIABLE, "0"))


class _Supervisor:
    """One run of `run_workers`."""

    def __init__(
        self,
        argv: Sequence[str],
        sockets: Mapping[str, Sequence[socket.socket]],
        env: Mapping[str, str],
        restarts: RestartPolicy,
    ) -> None:
        self._command = [sys.executable, *argv]
        self._sockets = sockets
        self._env = env
        self._restarts = restarts
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._exit_code = 0

    async def run(self, count: int) -> int:
        loop = asyncio.get_running_loop()
        hang_up = partial(self._signal_all, signal.SIGHUP)
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: hang_up,
        }
        # Until the loop is closed: told to stop once more, the process still ends what it started.
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)  # what came while the process started comes now
        alive, held_open = os.pipe()  # nobody writes: it ends when this process does
        try:
            await asyncio.gather(*(self._keep_running(worker, alive) for worker in range(count)))
        finally:
            os.close(alive)
            os.close(held_open)
        return self._exit_code

    async def _keep_running(self, worker: int, alive: int) -> None:
        loop = asyncio.get_running_loop()
        early_deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._run_once(worker, alive)
            if self._stopping.is_set():
                if status not in _ENDED_WELL:
                    logger.error("Worker %d ended with %s", worker, _describe_status(status))
                    self._exit_code = 1
                return
            if status == -signal.SIGHUP:  # it was told to read the settings again before it could listen to that
                continue
            early_deaths = early_deaths + 1 if loop.time() - began < self._restarts.settled_after else 0
            if early_deaths >= self._restarts.early_deaths:
                self._give_up(worker, early_deaths, status)
                return
            delay = self._delay(early_deaths)
            logger.error("Worker %d ended with %s; restart in %.1f s", worker, _describe_status(status), delay)
            await self._pause(delay)

    async def _run_once(self, worker: int, alive: int) -> int:
        fds = [sock.fileno() for group in self._sockets.values() for sock in group]
        env = {
            **self._env,
            SOCKETS_VARIABLE: describe(self._sockets),
            PARENT_VARIABLE: str(alive),
            ID_VARIABLE: str(worker),
        }
        # A session of its own: Ctrl-C on the terminal reaches the parent alone, which passes it on once.
        process = await asyncio.create_subprocess_exec(
            *self._command, env=env, pass_fds=(*fds, alive), start_new_session=True
        )
        self._running.add(process)
        logger.info("Worker %d is process %d", worker, process.pid)
        if self._stopping.is_set():  # told to stop while it was being started
            process.send_signal(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            self._running.discard(process)

    def _delay(self, early_deaths: int) -> float:
        if not early_deaths:
            return 0.0
        return min(self._restarts.first_delay * 2.0 ** (early_deaths - 1), self._restarts.longest_delay)

    async def _pause(self, seconds: float) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({stopping}, timeout=seconds)
        stopping.cancel()

    def _give_up(self, worker: int, deaths: int, status: int) -> None:
        logger.critical(
            "Worker %d died %d times as soon as it was started, last with %s; stopping. Its own messages say why",
            *(worker, deaths, _describe_status(status)),
        )
        self._exit_code = 1
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for group in self._sockets.values():
            for sock in group:
                sock.close()  # else clients would queue here when the last worker has stopped listening
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in list(self._running):
            if process.returncode is None:
                process.send_signal(number)


def _describe_status(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name
