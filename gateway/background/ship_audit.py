"""Brings what is safe on disk to the copy in Redis, and makes checkpoints known there."""

import asyncio
import base64
import logging
from copy import copy as clone
from pathlib import Path

from gateway.ledger.frame import Damaged
from gateway.spool.audit import Audit
from gateway.spool.files import SUCCESSOR, chains, segments
from gateway.spool.follow import Follower
from gateway.store.audit_copy import AuditCopy
from gateway.store.errors import StoreError

log = logging.getLogger(__name__)

_INTERVAL = 0.25  # seconds between two looks
_PATIENCE = 1.0  # seconds after Redis could not be asked
_BATCH = 256  # records of one entry
_AGAIN = 60.0  # seconds after which a checkpoint is told again, so that it is known to be the newest


class ShipAudit:
    """Ships one process's chain, and those it took over. `shipped` counts the records of its own that are there."""

    def __init__(self, audit: Audit, copy: AuditCopy) -> None:
        self.shipped = 0
        self._audit = audit
        self._copy = copy
        self._chain = ""
        self._follower: Follower | None = None
        self._told: str | None = None
        self._tell_again = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        before: list[Path] | None = None
        while True:
            pause = _INTERVAL
            try:
                if before is None:
                    before = await asyncio.to_thread(self._taken_over)
                while before:
                    await self._ship_ended(before[-1])
                    before.pop()
                await self.ship()
            except StoreError:
                pause = _PATIENCE  # whoever watches Redis says so; the records wait on the disk
            except (OSError, Damaged) as error:
                log.error("The audit record cannot be shipped: %s", error)
                pause = _PATIENCE
            await asyncio.sleep(pause)

    async def ship(self) -> None:
        """Bring what is there now. Raises StoreError, OSError, Damaged."""
        audit = self._audit
        if self._follower is None or self._chain != audit.chain:
            self._chain, self._follower, self.shipped = audit.chain, Follower(audit.directory), 0
        while self._follower.seq < audit.durable_size:
            first = self._follower.seq
            upto = audit.durable_size
            self._follower = await self._send(audit.directory, self._follower, upto)
            self.shipped = self._follower.seq
            if self._follower.seq == first:
                break
        await self._tell()

    async def _send(self, directory: Path, follower: Follower, upto: int) -> Follower:
        """Send some records; the follower for the next ones: another one if the copy has more or fewer than thought."""
        first = follower.seq
        ahead = clone(follower)  # where Redis does not take them, this one still stands before them
        earliest, records = await asyncio.to_thread(_read, ahead, directory, upto)
        if first < earliest:
            return Follower(directory, earliest)
        if not records:
            return ahead
        have = await self._copy.ship(directory.name, first, records, earliest)
        if have == ahead.seq:
            return ahead
        if have < first:
            return Follower(directory, have)
        follower.seq = have  # what was sent before came there after all: not from the start of the segment again
        return follower

    async def _tell(self) -> None:
        audit, now = self._audit, asyncio.get_running_loop().time()
        note = audit.checkpoint
        if note is None or (note == self._told and now < self._tell_again):
            return
        lines = note.split("\n")
        if await self._copy.publish(audit.chain, int(lines[1]), base64.b64decode(lines[2]), note):
            self._told, self._tell_again = note, now + _AGAIN
            return
        log.critical(
            "The chain %s of the audit record is continued elsewhere; this process begins another", audit.chain
        )
        await audit.renew("Another process continues this chain.")

    async def _ship_ended(self, directory: Path) -> None:
        """What a process did not come to before its end."""
        follower, upto = Follower(directory), 1 << 62
        while True:
            before = follower.seq
            follower = await self._send(directory, follower, upto)
            if follower.seq == before:
                return

    def _taken_over(self) -> list[Path]:
        """The chains that this one's first record names."""
        root, own = self._audit.root, self._audit.chain
        found = []
        for chain in chains(root):
            try:
                if (root / chain / SUCCESSOR).read_text("utf-8").strip() == own:
                    found.append(root / chain)
            except FileNotFoundError:
                continue
        return found


def _read(follower: Follower, directory: Path, upto: int) -> tuple[int, list[bytes]]:
    """The first number there is, and the next records; none if those were let go of. Two things in one step, since
    each way to a thread and back costs more than most of what is done there."""
    earliest = min((segment.first for segment in segments(directory)), default=0)
    return earliest, follower.read_framed(upto, _BATCH) if follower.seq >= earliest else []
