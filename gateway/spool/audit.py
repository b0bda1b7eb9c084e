"""The audit record of this process: appended to at once, made safe within milliseconds, signed within a second.

What cannot be recorded may not happen: `append` raises, and goes on raising until the disk works again.
"""

import asyncio
import contextlib
import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.ledger.note import Signer
from gateway.model.audit import AuditEntry
from gateway.spool.begin import begin_chain
from gateway.spool.disk import Disk
from gateway.spool.errors import AuditUnavailable
from gateway.spool.hand import Hand
from gateway.spool.notary import Notary
from gateway.spool.recovery import STOPPED
from gateway.spool.writer import ChainWriter

log = logging.getLogger(__name__)

_SLOW = 0.25  # seconds of a sync that are worth a warning
_KEPT = 1000  # entries that wait for a disk that works again
_CHECKPOINT_RECORDS = 1000
_CHECKPOINT_SECONDS = 1.0
_MEND_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between a record and its sync, and what a sync may take before the disk counts as failed."""

    group: float = 0.05
    sink: float = 1.0


class Audit:
    """One chain.

    `signer` may be given once it is known; until then nothing is signed. `checkpoint` is the last note, `signed` the
    number of records below it. `problem` says why nothing can be recorded, None if all is well. `lost` counts entries
    that could not be kept, `failures` what went wrong with the disk.

    Args:
        root: directory of all chains of this machine.
        new_chain: 32 random hexadecimal digits.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        root: Path,
        *,
        new_chain: Callable[[], str],
        clock: Callable[[], float],
        timing: Timing | None = None,
        disk: Disk | None = None,
        segment_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self.root = root
        self.chain = ""
        self.signer: Signer | None = None
        self.checkpoint: str | None = None
        self.signed = 0
        self.problem: str | None = "The audit record is not open yet."
        self.lost = 0
        self.failures = 0
        self._new_chain = new_chain
        self._clock = clock
        self._timing = timing or Timing()
        self._disk = disk or Disk()
        self._segment_bytes = segment_bytes
        self._writer: ChainWriter | None = None
        self._lock = -1
        self._notary: Notary | None = None
        self._signing: asyncio.Future[Any] | None = None
        self._folded = 0
        self._closed_size = 0
        self._rewritten: int | None = None  # the number the newest segment begins with that took another's place
        self._later: deque[AuditEntry] = deque()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hand: Hand | None = None
        self._full = False
        self._row = 0  # failures without a success between them
        self._checkpoint_due = 0.0

    # Recording

    def append(self, entry: AuditEntry) -> str:
        """Write an entry; its id `<chain>/<seq>`. It outlives this process from now on, and the machine soon.

        Raises:
            AuditUnavailable: it is not recorded.
        """
        return f"{self.chain}/{self._append(entry)}"

    def _append(self, entry: AuditEntry, *, defer: bool = False) -> int:
        if self.problem is not None or self._writer is None:
            raise AuditUnavailable(self.problem or "The audit record is closed.")
        try:
            number = self._writer.append(entry, defer=defer)
        except OSError as error:
            self._not_written(error)
            raise AuditUnavailable(self.problem) from None
        self._wake.set()
        return number

    def later(self, entry: AuditEntry) -> None:
        """Write an entry now, or as soon as that is possible: for what has happened anyhow.

        What became of a recorded entry waits for the next one or the next sync; a dead process's is found aborted.
        """
        if not self._later:
            try:
                self._append(entry, defer=entry.of is not None)
                return
            except AuditUnavailable:
                pass  # it is kept below
        if len(self._later) >= _KEPT:
            self.lost += 1
        else:
            self._later.append(entry)

    async def durable(self, entry_id: str) -> None:
        """Wait until an entry is safe from a loss of power. Raises AuditUnavailable if it cannot be made so."""
        number = int(entry_id.rpartition("/")[2])
        if self._writer is None or self.problem is not None:
            raise AuditUnavailable(self.problem or "The audit record is closed.")
        if number < self._writer.durable:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((number, future))
        self._wake.set()
        self._hurry.set()
        await future

    @property
    def size(self) -> int:
        """How many records there are; `durable_size` how many of them are safe. They stay when the record is closed."""
        return self._closed_size if self._writer is None else self._writer.seq

    @property
    def durable_size(self) -> int:
        return self._writer.durable if self._writer is not None else self._closed_size

    @property
    def directory(self) -> Path:
        return self.root / self.chain

    # Start and end

    def open(self) -> None:
        """Begin a chain, and record what became of those before it. Takes its time. Raises OSError."""
        self.chain = self._new_chain()
        self._writer, self._lock = begin_chain(
            self.root, self.chain, self._disk, now=self._clock(), segment_bytes=self._segment_bytes
        )
        self._notary = Notary(self.directory, self._disk)
        self._reserve()
        self.problem = None

    async def renew(self, reason: str) -> None:
        """Leave this chain, which somebody else continues, and begin another. Raises OSError."""
        if self._writer is None or self.problem is not None:
            return
        self.append(self._own(STOPPED, reason=reason))
        self.problem = reason  # until the next one is open
        await self._sync()
        self._fail_waiting(reason)
        self._writer.close()
        os.close(self._lock)
        self._folded, self.signed, self.checkpoint = 0, 0, None
        await asyncio.to_thread(self.open)

    async def run(self) -> None:
        """Make records safe, sign, mend; until cancelled."""
        self._hand = Hand(asyncio.get_running_loop())
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECKPOINT_SECONDS if self.problem is None else _MEND_SECONDS):
                    await self._wake.wait()
            if self.problem is not None:
                self._wake.clear()
                await self._mend()
                continue
            if self._wake.is_set():
                await self._gather()
                await self._sync()
            await self._sign_if_due()

    async def close(self) -> None:
        """Say that nothing follows, make everything safe, sign it."""
        if self._writer is None:
            return
        with contextlib.suppress(AuditUnavailable):
            self.append(AuditEntry(time=self._clock(), kind="gateway", action=STOPPED))
        self._hand = self._hand or Hand(asyncio.get_running_loop())
        self._writer.names_changed = True  # a sync that was interrupted may not have come to the names
        await self._sync()
        if self._row == 0:
            await self._sign(final=True)
        self._hand.leave()
        self._fail_waiting("The gateway stops.")
        self._writer.close()
        self._closed_size = self._writer.durable
        self._writer = None
        os.close(self._lock)

    # Making safe

    async def _gather(self) -> None:
        """Let records come together for one sync, unless somebody waits for it."""
        self._wake.clear()
        if not self._waiting:
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.group):
                    await self._hurry.wait()

    async def _sync(self) -> None:
        assert self._writer is not None
        try:
            if self.problem is None:
                self._writer.flush()
        except OSError as error:
            return self._not_written(error)
        about = self._writer.begin_sync()
        began = asyncio.get_running_loop().time()
        try:
            await self._do(lambda: self._sync_now(about))
        except (OSError, TimeoutError) as error:
            self._writer.names_changed |= about[2]
            self._not_synced(error)
            return
        if (took := asyncio.get_running_loop().time() - began) > _SLOW:
            log.warning("The audit record took %.0f ms to be safe on the disk", took * 1000)
        self._row = 0
        self._writer.synced(about[0])
        self._tell_waiting()

    def _sync_now(self, about: tuple[int, list[int], bool]) -> None:
        for descriptor in about[1]:
            self._disk.sync(descriptor)
        if about[2]:
            self._disk.sync_directory(self.directory)

    def _tell_waiting(self) -> None:
        safe = self.durable_size
        for number, future in self._waiting:
            if number < safe and not future.done():
                future.set_result(None)
        self._waiting = [(number, future) for number, future in self._waiting if not future.done()]

    def _fail_waiting(self, problem: str) -> None:
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(AuditUnavailable(problem))
        self._waiting.clear()

    async def _do(self, job: Callable[[], Any]) -> Any:
        """Have a job done by the thread. Raises what it raises, or TimeoutError; then the thread is left behind."""
        assert self._hand is not None
        future = self._hand.submit(job)
        done, _ = await asyncio.wait([future], timeout=self._timing.sink)
        if not done:
            future.cancel()
            self._leave_hand()
            raise TimeoutError(f"the disk did not answer within {self._timing.sink:g} s")
        return future.result()

    # Failing and mending

    def _not_written(self, error: OSError) -> None:
        assert self._writer is not None
        self.failures += 1
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._full = True
            with contextlib.suppress(OSError, AuditUnavailable):
                (self.root / "ballast").unlink()
                self._writer.append(self._own("stop:record", reason="The disk is full."))
        else:
            self._writer.broken = True
        self._stop(f"The audit record cannot be written: {error.strerror or error}.")

    def _not_synced(self, error: Exception) -> None:
        """The file is never synced again; its records that are not safe go to another. The second time, all stops."""
        assert self._writer is not None
        self.failures += 1
        self._row += 1
        log.error("The audit record could not be made safe: %s", error)
        self._wake.set()
        reason = getattr(error, "strerror", None) or str(error)
        if self._rewrite() and self._row < 2:
            with contextlib.suppress(AuditUnavailable):
                self.append(self._own("rewrite:segment", reason=reason, first=self._rewritten))
            return
        self._stop(f"The audit record cannot be made safe: {reason}.")

    def _rewrite(self) -> bool:
        assert self._writer is not None
        self._rewritten = self._writer.durable
        try:
            self._writer.rewrite()
        except OSError as error:
            self._writer.broken = True
            self._full = self._full or error.errno in (errno.ENOSPC, errno.EDQUOT)
            return False
        return True

    def _stop(self, problem: str) -> None:
        if self.problem is None:
            log.error("%s Nothing is forwarded that must be recorded", problem)
        self.problem = problem
        self._fail_waiting(problem)
        self._wake.set()

    async def _mend(self) -> None:
        """Try whether the disk works again; if it does, say so and write down what had to wait."""
        assert self._writer is not None
        if self._full and not self._has_room():
            await self._sync()
            return
        if self._writer.broken and not self._rewrite():
            return
        await self._sync()
        if self._row:
            return
        log.warning("The audit record can be written again")
        reason, self.problem, self._full = self.problem, None, False
        with contextlib.suppress(AuditUnavailable):
            waited = len(self._later)
            self.append(self._own("resume:record", reason=reason, lost=self.lost, waited=waited, first=self._rewritten))
            while self._later:
                self.append(self._later[0])
                self._later.popleft()

    def _has_room(self) -> bool:
        try:
            if self._disk.room(self.root) < 2 * self._disk.ballast(self.root):
                return False
            self._reserve()
        except OSError:
            return False
        return True

    def _reserve(self) -> None:
        with contextlib.suppress(OSError):  # without room for it there may still be room for records
            self._disk.reserve(self.root / "ballast", self._disk.ballast(self.root))

    def _own(self, action: str, reason: str | None = None, **metadata: object) -> AuditEntry:
        return AuditEntry(time=self._clock(), kind="gateway", action=action, reason=reason, metadata=metadata)

    # Signing

    async def _sign_if_due(self) -> None:
        now = asyncio.get_running_loop().time()
        fresh = self.durable_size - self.signed
        if fresh and (fresh >= _CHECKPOINT_RECORDS or now >= self._checkpoint_due):
            self._checkpoint_due = now + _CHECKPOINT_SECONDS
            await self._sign()

    async def _sign(self, *, final: bool = False) -> None:
        """Have the notary sign what is safe; one that hangs is waited for by nobody, and not asked a second time."""
        assert self._writer is not None and self._notary is not None and self._hand is not None
        if self._signing is not None and not self._signing.done():
            return
        notary, signer, upto = self._notary, self.signer, self._writer.durable
        expected, written = (kept[: upto - notary.tree.size] for kept in (self._writer.leaves, self._writer.written))
        self._signing = self._hand.submit(lambda: notary.sign(upto, expected, signer, written=written, final=final))
        self._signing.add_done_callback(self._signed)
        await asyncio.wait([self._signing], timeout=self._timing.sink)
        if not self._signing.done():
            self._leave_hand()

    def _signed(self, signing: "asyncio.Future[Any]") -> None:
        assert self._notary is not None
        if signing.cancelled() or self._writer is None:
            return
        size = self._notary.tree.size
        if (failure := signing.exception()) is not None:
            self.failures += 1
            log.error("The audit record could not be signed: %s", failure)
        elif signing.result() is not None:
            self.checkpoint, self.signed = signing.result(), size
        self._writer.forget(size - self._folded)
        self._folded = size

    def _leave_hand(self) -> None:
        assert self._hand is not None
        self._hand.leave()
        self._hand = Hand(asyncio.get_running_loop())
