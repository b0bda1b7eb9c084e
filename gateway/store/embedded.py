"""The gateway's own redis-server: started, watched and stopped with it, on a Unix socket only its user can open.

There are never two servers on one append-only file: each inherits a lock on `redis/server.lock` and holds it as long as
it lives, however its gateway ended; the next start ends what still holds it before it starts its own.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from gateway.store.errors import ServerFailed
from gateway.store.lock import DataDirLock, FileLock
from gateway.store.server import configuration, find_server, holds_file, listening_pid, socket_directory

logger = logging.getLogger(__name__)

_POLL = 0.005
_LOG_LIMIT = 1 << 20


class EmbeddedRedis:
    """A private redis-server with its data under `<data_dir>/redis`.

    Args:
        data_dir: made, if needed, for this user only.
        server: the binary; found by itself if None.
        on_exit: called with the exit status when the server ends unasked; it is being restarted by then.
        start_timeout: seconds for loading the data.
        stop_timeout: seconds for a server to end by itself before it is killed.
        backoff: seconds before the first restart; doubled up to 5 s while the server does not stay up.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        server: Path | None = None,
        on_exit: Callable[[int], None] | None = None,
        start_timeout: float = 60.0,
        stop_timeout: float = 10.0,
        backoff: float = 0.05,
    ) -> None:
        self._directory = data_dir / "redis"
        self._owner = DataDirLock(data_dir)
        self._lock = FileLock(self._directory / "server.lock")
        self._server = server
        self._on_exit = on_exit
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._backoff = backoff
        self._socket = Path()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process number, None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> str:
        """Start the server and wait until it answers. Returns its URL, `unix:///…`, which stays the same.

        Raises:
            AlreadyRunning: another gateway owns the data directory.
            NoServerBinary: there is no server to start.
            ServerFailed: it does not come up, or an older one does not end.
        """
        server = self._server or find_server()
        self._owner.acquire()
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            await self._take_over()
            self._socket = socket_directory(self._directory) / "redis.sock"
            await self._launch(server)
        except BaseException:  # broad: whatever it is, no server and no lock is left behind
            await self._end()
            self._lock.release()
            self._owner.release()
            raise
        self._supervisor = asyncio.create_task(self._supervise(server))
        return f"unix://{quote(str(self._socket))}"

    async def stop(self) -> None:
        """End the server; its data are on disk when this returns. Harmless if it does not run."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._end()
        self._lock.release()
        if self._socket.name:
            _remove(self._socket)
        self._owner.release()

    # One server's life

    async def _launch(self, server: Path) -> None:
        _remove_files(self._socket, self._directory / "redis.pid")
        _rotate(self._directory / "redis.log")
        (self._directory / "socket").write_bytes(os.fsencode(self._socket))
        self._process = await asyncio.create_subprocess_exec(
            str(server),
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(self._lock.fileno(),),
            # Ctrl-C goes to the whole process group; the server has to outlive the gateway's last writes.
            start_new_session=True,
        )
        self._lock.release()  # the server holds it now
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(configuration(self._directory, self._socket))
        stdin.close()
        await self._answering(self._process)

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self._start_timeout):
                while not await _answers(self._socket):
                    if process.returncode is not None:
                        raise ServerFailed(f"redis-server ended with status {process.returncode}: {self._last_words()}")
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ServerFailed(f"redis-server does not answer: {self._last_words()}") from None

    async def _supervise(self, server: Path) -> None:
        pause = self._backoff
        loop = asyncio.get_running_loop()
        while True:
            assert self._process is not None
            since = loop.time()
            status = await self._process.wait()
            logger.error("redis-server ended with status %d; starting it again", status)
            if self._on_exit is not None:
                self._on_exit(status)
            pause = self._backoff if loop.time() - since > 10 else min(pause * 2, 5.0)
            await asyncio.sleep(pause)
            try:
                await self._take_over()
                await self._launch(server)
            except (ServerFailed, OSError) as error:
                logger.error("redis-server did not start again: %s", error)
                await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self._stop_timeout):
                await process.wait()
        except TimeoutError:
            logger.error("redis-server does not end; killing it")
            process.kill()
            await process.wait()

    # One that outlived its gateway

    async def _take_over(self) -> None:
        """Get the server lock; end the server that holds it."""
        if self._lock.acquire():
            return
        pid = await asyncio.to_thread(self._orphan)
        if pid is not None:
            logger.warning("ending redis-server %d, which outlived its gateway", pid)
            # A stopped process does not see SIGTERM before it goes on.
            _signal(pid, signal.SIGTERM, signal.SIGCONT)
        if await self._acquire_within(self._stop_timeout):
            return
        if pid is not None and await asyncio.to_thread(self._orphan) == pid:
            logger.error("redis-server %d does not end; killing it", pid)
            _signal(pid, signal.SIGKILL)
            if await self._acquire_within(self._stop_timeout):
                return
        raise ServerFailed(
            f"a redis-server still uses {self._directory}; end it first (its number: {pid or 'unknown'})"
        )

    def _orphan(self) -> int | None:
        """The process on our data, if it is proved to be the redis-server started here. Blocks up to 0.5 s."""
        try:
            pid = int((self._directory / "redis.pid").read_text(encoding="ascii"))
        except (OSError, ValueError):
            pid = None
        with contextlib.suppress(OSError):
            listening = listening_pid(Path(os.fsdecode((self._directory / "socket").read_bytes())))
            # Killed before it wrote its number down, it still owns the socket of this directory and the lock.
            if listening is not None and (pid in (None, listening) or holds_file(listening, self._lock.path)):
                return listening
        return pid if pid is not None and holds_file(pid, self._lock.path) else None

    async def _acquire_within(self, seconds: float) -> bool:
        # The holder is not our child: its end can only be seen by looking.
        try:
            async with asyncio.timeout(seconds):
                while not self._lock.acquire():  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            return False
        return True

    def _last_words(self) -> str:
        try:
            lines = (self._directory / "redis.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return lines[-1].strip() if lines else f"see {self._directory / 'redis.log'}"


async def _answers(socket_path: Path) -> bool:
    """Whether a server is ready there: it answers PING, and not that it is still loading."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket_path))
    except (FileNotFoundError, ConnectionError):
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except ConnectionError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _signal(pid: int, *signals: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        for number in signals:
            os.kill(pid, number)


def _remove_files(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _remove(socket_path: Path) -> None:
    _remove_files(socket_path)
    try:
        socket_path.parent.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
