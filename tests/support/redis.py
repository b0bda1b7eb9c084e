"""A real redis-server for tests, found the way the gateway finds it, and ways to hurt it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.server import configuration, find_server


class RedisServer:
    """One private server on a Unix socket, with an append-only file. Synchronous, so that any test may use it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and return when it answers."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [str(find_server()), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(configuration(self.directory, self.socket))
        self._process.stdin.close()
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self.directory / "redis.log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.005)

    def ask(self, *command: str) -> bytes:
        """One command on a socket of its own; the first bytes of the raw reply."""
        packed = f"*{len(command)}\r\n" + "".join(f"${len(part.encode())}\r\n{part}\r\n" for part in command)
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(self.socket))
            link.sendall(packed.encode())
            return link.recv(65_536)

    def kill(self) -> None:
        """SIGKILL: nothing is flushed by the server itself."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, also for a server that is frozen."""
        self.thaw()
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: the socket still takes connections and bytes, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """SIGCONT."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill and start again on the same data."""
        self.kill()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(20)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == b"+PONG\r\n"
        except OSError:
            return False


def _server() -> Iterator[RedisServer]:
    directory = Path(tempfile.mkdtemp(prefix="leuko-t-", dir="/tmp"))
    server = RedisServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """The server of the whole test session: do not hurt it."""
    yield from _server()


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """The URL of an empty Redis."""
    assert shared_redis.ask("FLUSHALL") == b"+OK\r\n"
    return shared_redis.url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of this test's own, to kill, freeze or fill."""
    yield from _server()
