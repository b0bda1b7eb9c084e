"""The path with its record in a process of its own, made to be killed: it is forked from one that has imported all."""

import asyncio
import contextlib
import os
import secrets
import time
from multiprocessing.connection import Connection
from pathlib import Path

from gateway.phases.record import Record
from gateway.pipeline import Pipeline
from gateway.spool.audit import Audit
from tests.spool.keeping import SIGNER
from tests.support.path import running_path


def serve(root: Path, upstream: str, told: Connection) -> None:
    """Serve until killed; sends the address it listens on."""
    asyncio.run(_serve(root, upstream, told))


async def _serve(root: Path, upstream: str, told: Connection) -> None:
    audit = Audit(root, new_chain=lambda: secrets.token_hex(16), clock=time.time, segment_bytes=20_000)
    audit.signer = SIGNER
    audit.open()
    record = Record(audit, wall_clock=time.time)

    def change(pipeline: Pipeline) -> None:
        pipeline.admit._gates = (record.decide,)
        pipeline.settle._observers = (record.outcome,)

    running = asyncio.create_task(audit.run())
    async with running_path(upstream, change=change) as path:
        told.send(path.address)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    running.cancel()
    os._exit(1)
