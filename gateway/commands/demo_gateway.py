"""A gateway of its own for demonstrations: a process, a directory and a port that are gone afterwards."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import gateway
from gateway.edge.workers import PARENT_VARIABLE

_WITHIN = 60.0
_LISTENS = re.compile(r"listens on (https?://\S+)")
_SET = re.compile(r"(GATEWAY_|INGEST_|ADMIN_|LLM_UPSTREAM|MCP_UPSTREAM|OTEL_|LOG_)")


class DemoFailure(Exception):
    """The gateway of the demonstration did not start."""


class OwnGateway:
    """`leuko serve --stub` on a free port. `settings` are all that it was given, `output` what it printed."""

    def __init__(self, directory: Path, environment: Mapping[str, str], more: Mapping[str, str]) -> None:
        # A socket's path is short, or Redis cannot be reached at it.
        self.settings = {"GATEWAY_DATA_DIR": str(directory), "GATEWAY_PORT": "0", **more}
        self.url = ""
        self.output: list[str] = []
        self._known = threading.Event()
        # What is set for somebody's real gateway, and the files where they stand, are not for this one.
        clean = {name: value for name, value in environment.items() if not _SET.match(name)}
        # Nobody writes: it ends when this process does, however that happens, and then the gateway stops.
        alive, self._held_open = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--stub"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            pass_fds=(alive,),
            env={
                **clean,
                **self.settings,
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": _found_from(clean),
                PARENT_VARIABLE: str(alive),
            },
        )
        os.close(alive)
        self._reader = threading.Thread(target=self._read, name="leuko-demo-gateway", daemon=True)
        self._reader.start()

    @property
    def admin_key(self) -> str:
        return Path(self.settings["GATEWAY_DATA_DIR"], "admin_key").read_text("utf-8").strip()

    def wait(self) -> None:
        """Until it listens. Raises DemoFailure."""
        if not self._known.wait(_WITHIN) or not self.url:
            raise DemoFailure("the gateway did not start: " + " | ".join(line.strip() for line in self.output[-5:]))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._held_open)
        self._reader.join(_WITHIN)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            found = _LISTENS.search(line)
            if found is not None and not self.url:
                self.url = found[1].rstrip(".")
                self._known.set()
        self._process.stdout.close()
        self._known.set()


def _found_from(environment: Mapping[str, str]) -> str:
    """Elsewhere, too, the package that runs here is found, installed or not."""
    here = str(Path(gateway.__file__).resolve().parents[1])
    return os.pathsep.join([here, *filter(None, [environment.get("PYTHONPATH")])])


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM, and the terminal's end, end the block as Ctrl-C does: nothing of it stays."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


@contextmanager
def own_gateway(environment: Mapping[str, str], **settings: str) -> Iterator[OwnGateway]:
    """For the length of a block, with these settings besides its own. Raises DemoFailure."""
    with tempfile.TemporaryDirectory(prefix="leuko-demo-", ignore_cleanup_errors=True) as directory:
        made = OwnGateway(Path(directory), environment, settings)
        try:
            made.wait()
            yield made
        finally:
            made.stop()
