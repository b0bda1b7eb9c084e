"""How a process begins its chain: with a record that names the chains before it, and what became of them."""

import os
from pathlib import Path

from gateway.model.audit import AuditEntry
from gateway.spool.disk import Disk
from gateway.spool.files import lock
from gateway.spool.recovery import aftermath, recover, succeed
from gateway.spool.writer import ChainWriter

STARTED = "start:gateway"


def begin_chain(root: Path, chain: str, disk: Disk, *, now: float, segment_bytes: int) -> tuple[ChainWriter, int]:
    """Make the chain's directory; its writer, and the descriptor that holds its lock. One starter at a time.

    Raises:
        OSError: the record cannot be kept there.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    guard = lock(root, wait=True)
    assert guard is not None
    try:
        directory = root / chain
        directory.mkdir(mode=0o700)
        held = lock(directory)
        assert held is not None, "chain ids are random"
        writer = ChainWriter(directory, chain, disk, segment_bytes=segment_bytes)
        _take_over(root, writer, disk, now)
    finally:
        os.close(guard)
    return writer, held


def _take_over(root: Path, writer: ChainWriter, disk: Disk, now: float) -> None:
    ended = recover(root, disk, but=writer.chain)
    previous = [{"chain": one.chain, "size": one.size, "head": one.head.hex()} for one in ended]
    writer.append(AuditEntry(time=now, kind="gateway", action=STARTED, metadata={"previous": previous}))
    for one in ended:
        for entry in aftermath(one, now):
            writer.append(entry)
    upto, descriptors, _ = writer.begin_sync()
    for descriptor in descriptors:
        disk.sync(descriptor)
    disk.sync_directory(writer.directory)
    disk.sync_directory(root)
    writer.synced(upto)
    for one in ended:
        succeed(root, one, writer.chain, disk)
