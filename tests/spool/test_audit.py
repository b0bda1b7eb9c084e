"""The record as the gateway uses it: written at once, safe soon, signed, and closed when the disk fails."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway.ledger.checkpoint import open_checkpoint
from gateway.spool.audit import Timing
from gateway.spool.disk import Disk
from gateway.spool.errors import AuditUnavailable
from tests.spool.keeping import SIGNER, audit_at, entry, keeping, records
from tests.support.waiting import until


class FailingDisk(Disk):
    """A disk whose next syncs of segments, or writes to them, fail as it is told; `synced` counts the good ones."""

    def __init__(self) -> None:
        self.failing_syncs = 0
        self.write_error: int | None = None
        self.free = 1 << 40
        self.synced = 0
        self.failed: list[int] = []
        self.segments: set[int] = set()

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.segments.add(descriptor)
        self.failed = [known for known in self.failed if known != descriptor]  # a number used again
        return descriptor

    def close(self, descriptor: int) -> None:
        self.segments.discard(descriptor)
        super().close(descriptor)

    def sync(self, descriptor: int) -> None:
        if self.failing_syncs and descriptor in self.segments:
            assert descriptor not in self.failed, "asked again"
            self.failing_syncs -= 1
            self.failed.append(descriptor)
            raise OSError(errno.EIO, "Input/output error")
        self.synced += 1
        super().sync(descriptor)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.write_error is not None and descriptor in self.segments:
            taken = len(data) // 2
            super().write(descriptor, data[:taken])
            if self.write_error == 0:
                return taken
            raise OSError(self.write_error, os.strerror(self.write_error))
        return super().write(descriptor, data)

    def room(self, path: Path) -> int:
        return self.free


async def test_an_entry_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        name = audit.append(entry(7))
        last = records(tmp_path, audit.chain)[-1]
        assert name == f"{audit.chain}/{last['seq']}"
        assert last["request_id"] == "req_7"


async def test_waiting_for_an_entry_waits_for_the_disk(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk, timing=Timing(group=60))) as audit:
        before = disk.synced
        await audit.durable(audit.append(entry()))
        assert disk.synced > before
        assert audit.durable_size == audit.size
        await audit.durable(f"{audit.chain}/0")  # is safe already


async def test_what_is_safe_is_signed_and_the_last_note_says_that_nothing_follows(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        audit.append(entry())
        await until(lambda: audit.signed == 2)
        signed = open_checkpoint((tmp_path / audit.chain / "checkpoint").read_text(), "leuko", SIGNER.public_key)
        assert (signed.size, signed.final) == (2, False)
        assert audit.checkpoint is not None
    signed = open_checkpoint((tmp_path / audit.chain / "checkpoint").read_text(), "leuko", SIGNER.public_key)
    assert (signed.size, signed.final) == (3, True)
    assert records(tmp_path, audit.chain)[-1]["action"] == "stop:gateway"


async def test_segments_are_begun_by_size(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path, segment_bytes=2000)) as audit:
        for number in range(50):
            audit.append(entry(number))
        await audit.durable(audit.append(entry(50)))
        assert len(list((tmp_path / audit.chain).glob("*.log"))) > 5
    assert [r["seq"] for r in records(tmp_path, audit.chain)] == list(range(53))
    assert open_checkpoint((tmp_path / audit.chain / "checkpoint").read_text(), "leuko", SIGNER.public_key).size == 53


async def test_after_one_failed_sync_the_records_are_in_a_new_file_and_the_old_one_is_not_asked_again(
    tmp_path: Path,
) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk)) as audit:
        await audit.durable(audit.append(entry(1)))
        disk.failing_syncs = 1
        await audit.durable(audit.append(entry(2)))
        assert audit.problem is None
        assert audit.failures == 1
        await until(lambda: audit.durable_size == audit.size)
    found = records(tmp_path, audit.chain)
    assert [r["seq"] for r in found] == list(range(len(found)))
    assert [r["action"] for r in found][-2:] == ["rewrite:segment", "stop:gateway"]
    assert len(list((tmp_path / audit.chain).glob("*.log"))) == 2


async def test_a_disk_that_goes_on_failing_stops_the_record_until_it_works_again(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk)) as audit:
        disk.failing_syncs = 1000
        with pytest.raises(AuditUnavailable):
            await audit.durable(audit.append(entry(1)))
        assert "cannot be made safe" in (audit.problem or "")
        with pytest.raises(AuditUnavailable):
            audit.append(entry(2))
        audit.later(entry(3, kind="outcome", result="success"))
        disk.failing_syncs = 0
        await until(lambda: audit.problem is None)
        await audit.durable(audit.append(entry(4)))
    found = records(tmp_path, audit.chain)
    assert [r["seq"] for r in found] == list(range(len(found)))
    names = [r.get("request_id") or r["action"] for r in found]
    assert names == ["start:gateway", "req_1", "rewrite:segment", "resume:record", "req_3", "req_4", "stop:gateway"]


@pytest.mark.parametrize("error", [0, errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_leaves_no_part_of_a_record_and_room_for_saying_so(tmp_path: Path, error: int) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk)) as audit:
        disk.free = 0
        disk.write_error = error
        with pytest.raises(AuditUnavailable, match="cannot be written"):
            audit.append(entry(1))
        assert not (tmp_path / "ballast").exists()
        disk.write_error = None
        with pytest.raises(AuditUnavailable):
            audit.append(entry(2))
        disk.free = 1 << 40
        await until(lambda: audit.problem is None)
        assert (tmp_path / "ballast").stat().st_size == 16 * 1024 * 1024
        audit.append(entry(3))
    names = [r.get("request_id") or r["action"] for r in records(tmp_path, audit.chain)]
    assert names == ["start:gateway", "resume:record", "req_3", "stop:gateway"]


async def test_a_write_that_fails_for_another_reason_goes_on_in_another_file(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk)) as audit:
        disk.write_error = errno.EIO
        with pytest.raises(AuditUnavailable):
            audit.append(entry(1))
        disk.write_error = None
        await until(lambda: audit.problem is None)
    names = [r.get("request_id") or r["action"] for r in records(tmp_path, audit.chain)]
    assert names == ["start:gateway", "resume:record", "stop:gateway"]


async def test_a_disk_that_hangs_counts_as_failed(tmp_path: Path) -> None:
    class Hanging(Disk):
        hangs = False
        hung = 0

        def sync(self, descriptor: int) -> None:
            if self.hangs:
                self.hung += 1
                while self.hangs:
                    os.sched_yield()
                raise OSError(errno.EIO, "Input/output error")
            super().sync(descriptor)

    disk = Hanging()
    async with keeping(audit_at(tmp_path, disk, timing=Timing(group=0.01, sink=0.05))) as audit:
        disk.hangs = True
        with pytest.raises(AuditUnavailable, match="did not answer within"):
            await audit.durable(audit.append(entry(1)))
        disk.hangs = False
        await until(lambda: audit.problem is None)
    assert [r["seq"] for r in records(tmp_path, audit.chain)] == [0, 1, 2, 3, 4]


async def test_a_copy_of_the_process_cannot_write(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        assert audit._writer is not None
        audit._writer._pid += 1
        with pytest.raises(AuditUnavailable, match="copy"):
            audit.append(entry())


async def test_an_outcome_is_written_with_the_next_record_or_synced_soon(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path, timing=Timing(group=60))) as audit:
        decision = audit.append(entry(1))
        audit.later(entry(2, kind="outcome", of=decision))
        assert len(records(tmp_path, audit.chain)) == 2
        await audit.durable(audit.append(entry(3)))
        assert [r["seq"] for r in records(tmp_path, audit.chain)] == [0, 1, 2, 3]
    async with keeping(audit_at(tmp_path, timing=Timing(group=0.001))) as audit:
        audit.later(entry(4, kind="outcome", of=audit.append(entry(3))))
        await until(lambda: audit.durable_size == 3)
        assert records(tmp_path, audit.chain)[-1]["request_id"] == "req_4"


async def test_what_was_refused_is_written_at_once(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path, timing=Timing(group=60))) as audit:
        audit.later(entry(1, kind="outcome", allowed=False))
        assert records(tmp_path, audit.chain)[-1]["request_id"] == "req_1"


async def test_outcomes_that_wait_outlive_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk, timing=Timing(group=60))) as audit:
        decision = audit.append(entry(1))
        audit.later(entry(2, kind="outcome", of=decision))
        disk.free, disk.write_error = 0, errno.ENOSPC
        with pytest.raises(AuditUnavailable):
            audit.append(entry(3))
        disk.free, disk.write_error = 1 << 40, None
        await until(lambda: audit.problem is None)
    names = [r.get("request_id") or r["action"] for r in records(tmp_path, audit.chain)]
    assert names == ["start:gateway", "req_1", "req_2", "resume:record", "stop:gateway"]


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
async def test_outcomes_that_cannot_be_written_at_a_sync_stop_the_record(tmp_path: Path, error: int) -> None:
    disk = FailingDisk()
    async with keeping(audit_at(tmp_path, disk, timing=Timing(group=0.001))) as audit:
        decision = audit.append(entry(1))
        disk.free, disk.write_error = 0, error
        audit.later(entry(2, kind="outcome", of=decision))
        await until(lambda: audit.problem is not None)
        disk.free, disk.write_error = 1 << 40, None
        await until(lambda: audit.problem is None)
        await until(lambda: audit.durable_size == audit.size)
    found = records(tmp_path, audit.chain)
    assert [r["seq"] for r in found] == list(range(len(found)))
    names = [r.get("request_id") or r["action"] for r in found]
    assert names == ["start:gateway", "req_1", "req_2", "resume:record", "stop:gateway"]


async def test_what_cannot_be_kept_in_memory_either_is_counted(tmp_path: Path) -> None:
    audit = audit_at(tmp_path)
    for number in range(1005):
        audit.later(entry(number))
    assert audit.lost == 5
    with pytest.raises(AuditUnavailable, match="not open"):
        await audit.durable("x/0")
    await asyncio.sleep(0)
