"""What the writer leaves on disk where even tidying up fails: readers and verification go by the numbers."""

import errno
import os
from pathlib import Path

import pytest

from gateway.ledger.chain import decode
from gateway.ledger.checkpoint import sign_checkpoint
from gateway.ledger.frame import Damaged
from gateway.spool.check import verify_all
from gateway.spool.disk import Disk
from gateway.spool.files import payloads, segments
from gateway.spool.notary import Notary
from gateway.spool.writer import ChainWriter
from tests.spool.keeping import SIGNER, entry

CHAIN = "c" * 32


class StubbornDisk(Disk):
    """Cannot truncate; fails to write when told."""

    fails = False

    def truncate(self, descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def write(self, descriptor: int, data: bytes) -> int:
        if self.fails:
            os.write(descriptor, data[:9])
            raise OSError(errno.EIO, "Input/output error")
        return super().write(descriptor, data)


def test_bytes_that_could_not_be_taken_back_do_not_count(tmp_path: Path) -> None:
    disk = StubbornDisk()
    (tmp_path / CHAIN).mkdir()
    writer = ChainWriter(tmp_path / CHAIN, CHAIN, disk, segment_bytes=1 << 20)
    writer.append(entry(0))
    writer.synced(1)
    writer.append(entry(1))
    disk.fails = True
    with pytest.raises(OSError, match="Input/output"):
        writer.append(entry(2))
    assert writer.broken
    with pytest.raises(OSError, match="Input/output"):
        writer.rewrite()
    disk.fails = False
    writer.rewrite()
    assert not writer.broken
    writer.append(entry(3, kind="gateway", action="rewrite:segment", metadata={"first": 1}))
    writer.synced(3)
    assert len(list(payloads(tmp_path / CHAIN, 0))) == 3
    assert len(segments(tmp_path / CHAIN)) == 2
    notary = Notary(tmp_path / CHAIN, disk)
    note = notary.sign(3, writer.leaves, SIGNER, final=True)
    assert note == sign_checkpoint(SIGNER, CHAIN, notary.tree, final=True)
    assert verify_all(tmp_path, "leuko", SIGNER.public_key).sound
    writer.close()


def test_records_that_wait_keep_their_places_and_are_bounded(tmp_path: Path) -> None:
    (tmp_path / CHAIN).mkdir()
    writer = ChainWriter(tmp_path / CHAIN, CHAIN, Disk(), segment_bytes=2000)
    safe = 0
    for number in range(200):
        writer.append(entry(number), defer=number % 90 != 0)
        if number % 50 == 0:
            safe = writer.begin_sync()[0]
            assert len(list(payloads(tmp_path / CHAIN, 0))) == safe
            writer.synced(safe)
    writer.rewrite()  # those that wait are written as well
    assert len(list(payloads(tmp_path / CHAIN, 0))) == 200
    assert writer.begin_sync()[0] == 200
    writer.close()
    assert [decode(payload)["seq"] for payload in payloads(tmp_path / CHAIN, 0)] == list(range(200))


@pytest.mark.parametrize("kept", [0, 7, 40])
def test_a_note_is_the_same_whether_records_are_compared_or_read_again(tmp_path: Path, kept: int) -> None:
    (tmp_path / CHAIN).mkdir()
    writer = ChainWriter(tmp_path / CHAIN, CHAIN, Disk(), segment_bytes=1500)
    compared, read = Notary(tmp_path / CHAIN, Disk()), Notary(tmp_path / CHAIN, Disk())
    for upto in (20, 40):
        for number in range(20):
            writer.append(entry(number))
        start = upto - 20
        written = [*writer.written[start : start + kept], *[b""] * (20 - kept)]
        first = compared.sign(upto, writer.leaves[start:], SIGNER, written=written)
        assert first == read.sign(upto, writer.leaves[start:], SIGNER)
    writer.forget(40)
    assert (writer.leaves, writer.written) == ([], [])
    writer.close()


def test_bytes_that_are_not_those_written_are_never_signed(tmp_path: Path) -> None:
    (tmp_path / CHAIN).mkdir()
    writer = ChainWriter(tmp_path / CHAIN, CHAIN, Disk(), segment_bytes=1 << 20)
    for number in range(3):
        writer.append(entry(number))
    (segment,) = segments(tmp_path / CHAIN)
    segment.path.write_bytes(segment.path.read_bytes().replace(b"req_1", b"req_7"))
    notary = Notary(tmp_path / CHAIN, Disk())
    with pytest.raises(Damaged):
        notary.sign(3, writer.leaves, SIGNER, written=writer.written)
    writer.close()
