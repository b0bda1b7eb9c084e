"""Metrics of all worker processes at once: whichever of them is scraped asks the others.

Each worker answers on a Unix socket in a directory that only this user can enter, named by its number. Their numbers
are not added up but told apart by the label `worker`: a worker that restarts begins at 0, which Prometheus understands
of one series and would misread in a sum.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import orjson

from gateway.telemetry.instruments import Family, Point

DIRECTORY_VARIABLE = "LEUKO_WORKER_DIRECTORY"
"""Names the directory in the environment of workers."""

_WITHIN = 1.0
_MOST_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class Siblings:
    """The workers of one gateway.

    Args:
        directory: where their sockets are; None for a process that has no siblings.
        worker: this one's number.
        collect: this one's metrics.
    """

    def __init__(self, directory: Path | None, worker: int, collect: Callable[[], Sequence[Family]]) -> None:
        self._directory = directory
        self._worker = worker
        self._collect = collect

    async def everyone(self) -> list[tuple[Family, dict[str, str]]]:
        """Each family with its worker's label. Who does not answer within a second is left out."""
        found = [(family, {"worker": str(self._worker)}) for family in self._collect()]
        others = [] if self._directory is None else [p for p in self._directory.glob("*.sock") if p != self._own()]
        for path, families in zip(others, await asyncio.gather(*map(_ask, others)), strict=True):
            found += [(family, {"worker": path.stem}) for family in families]
        return found

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer the others for the length of the block."""
        if self._directory is None:
            yield
            return
        path = self._own()
        path.unlink(missing_ok=True)  # of a predecessor that was killed
        try:
            server = await asyncio.start_unix_server(self._answer, path)
        except OSError as error:
            log.warning("Metrics of this worker are in no other's answer: %s", error)
            yield
            return
        async with server:
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def _own(self) -> Path:
        assert self._directory is not None
        return self._directory / f"{self._worker}.sock"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(packed(self._collect()))
            await writer.drain()
        writer.close()


def packed(families: Sequence[Family]) -> bytes:
    """Families as bytes, for `unpacked`."""
    return orjson.dumps(families)


def unpacked(data: bytes) -> list[Family]:
    """What `packed` made. Raises ValueError."""
    return [
        Family(
            **{
                **family,
                "points": tuple(
                    Point(point["attributes"], point["value"], tuple(point["buckets"])) for point in family["points"]
                ),
                "bounds": tuple(family["bounds"]),
            }
        )
        for family in orjson.loads(data)
    ]


def directory_of(env: Mapping[str, str]) -> Path | None:
    """Where the sockets of this process's siblings are, if it has any."""
    value = env.get(DIRECTORY_VARIABLE)
    return Path(value) if value else None


async def _ask(path: Path) -> list[Family]:
    try:
        async with asyncio.timeout(_WITHIN):
            reader, writer = await asyncio.open_unix_connection(path, limit=_MOST_BYTES)
            try:
                return unpacked(await reader.read(-1))
            finally:
                writer.close()
    except (OSError, ValueError, TimeoutError) as error:
        log.warning("Worker %s did not tell its metrics: %s", path.stem, error or "no answer in time")
        return []
