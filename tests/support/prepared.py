"""Gateways forked from a process that has imported all they need: the imports take longer than many a test.

What is forked is what `python -m gateway` would have become, with the arguments and variables it is given; only the
hash seed and what libraries read of the environment at import are those of the process it comes from.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from tests.support.measuring import measures_itself

ROOT = Path(__file__).parents[2]


class Forked:
    """What the tests use of `subprocess.Popen`, for a process whose parent is the prepared one."""

    def __init__(self, prepared: "Prepared", pid: int, output: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: TextIO = open(output, encoding="utf-8")  # noqa: SIM115 (its reader closes it)
        self._prepared = prepared
        self._ended = ended
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        return self._result(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._result(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("gateway", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _result(self, timeout: float | None) -> int | None:
        with self._lock:
            # Nobody writes to the pipe: it ends with the process.
            if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
                os.close(self._ended)
                self.returncode = os.waitstatus_to_exitcode(self._prepared.ask({"wait": self.pid}))
            return self.returncode


class Prepared:
    """The process that has imported the gateway."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.prepared", str(theirs.fileno())],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
            )

    def fork(self, args: Sequence[str], env: Mapping[str, str]) -> Forked:
        """Start `leuko` with these arguments in this environment."""
        (output, theirs), (ended, alive) = os.pipe(), os.pipe()
        try:
            pid = self.ask({"args": [*args], "env": {**env}}, theirs, alive)
        finally:
            os.close(theirs)
            os.close(alive)
        return Forked(self, pid, output, ended)

    def ask(self, request: dict[str, Any], *descriptors: int) -> int:
        with self._lock:
            head, tail = _packed(request)
            socket.send_fds(self._control, [head], descriptors)
            self._control.sendall(tail)
            answer = self._control.recv(8, socket.MSG_WAITALL)
            assert len(answer) == 8, "the process that gateways are forked from has ended"
            return int.from_bytes(answer, "big")

    def end(self) -> None:
        self._control.close()
        self._process.wait()


def _packed(request: dict[str, Any]) -> tuple[bytes, bytes]:
    body = json.dumps(request).encode()
    return len(body).to_bytes(8, "big"), body


_making = threading.Lock()


@cache
def _prepared() -> Prepared:
    return Prepared()


def prepared() -> Prepared:
    """The one of this test process; made when it is first needed."""
    with _making:
        return _prepared()


def end_prepared() -> None:
    """End it, and wait until its coverage is written."""
    if _prepared.cache_info().currsize:
        _prepared().end()
        _prepared.cache_clear()


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork and wait as asked, until there is nobody to ask; in a fork, what it shall be."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(control, 8, 2)
        if not head:
            return None
        request: dict[str, Any] = json.loads(control.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        if "wait" in request:
            answer = os.waitpid(request["wait"], 0)[1]
        else:
            answer = os.fork()
            if not answer:
                control.close()
                os.dup2(descriptors[0], 1)
                os.dup2(descriptors[0], 2)
                os.close(descriptors[0])
                sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # that of before would seek
                os.set_inheritable(descriptors[1], False)  # it stays open as long as this process lives, and no longer
                return request
            for descriptor in descriptors:
                os.close(descriptor)
        control.sendall(answer.to_bytes(8, "big"))


def _stop_measuring() -> None:
    from coverage import Coverage

    if (measuring := Coverage.current()) is not None:
        measuring.stop()


def main() -> None:
    import_module("gateway.app")  # `leuko serve` would import it later
    import_module("pydantic.v1")  # and FastAPI this, for the first route
    from gateway.cli import main as leuko

    gc.collect()
    gc.freeze()  # a fork would look at all of it again, and so get copies of its pages
    with contextlib.suppress(KeyboardInterrupt):
        request = _serve(socket.socket(fileno=int(sys.argv[1])))
        if request is not None:
            if "coverage" in sys.modules and not measures_itself(request["env"]):
                _stop_measuring()
            os.environ.clear()
            os.environ.update(request["env"])
            sys.argv[1:] = request["args"]
            leuko()


if __name__ == "__main__":
    main()
