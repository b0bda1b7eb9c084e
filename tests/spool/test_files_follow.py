"""Reading on: each safe record once, over segments, and across one that was given up."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.ledger.chain import decode
from gateway.ledger.frame import Damaged
from gateway.spool import follow
from gateway.spool.files import segments
from gateway.spool.follow import Follower
from tests.spool.keeping import audit_at, entry, keeping


def seqs(payloads: list[bytes]) -> list[int]:
    return [decode(payload)["seq"] for payload in payloads]


async def test_each_record_is_read_once_over_segments(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path, segment_bytes=1000)) as audit:
        follower = Follower(audit.directory)
        found: list[int] = []
        for number in range(40):
            audit.append(entry(number))
            found += seqs(follower.read(audit.size, 7))
        while more := seqs(follower.read(audit.size, 7)):
            found += more
        assert found == list(range(41))
        assert follower.read(1000) == []
        assert seqs(Follower(audit.directory, 30).read(35)) == [30, 31, 32, 33, 34]
        assert seqs(Follower(tmp_path / "nowhere").read(1)) == []


async def test_a_follower_that_is_far_behind_reads_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_BLOCK", 700)  # a record or two
    async with keeping(audit_at(tmp_path)) as audit:
        for number in range(30):
            audit.append(replace(entry(number), metadata={"long": "x" * 50 * number}))
        path = segments(audit.directory)[0].path
        follower = Follower(audit.directory)
        assert seqs(follower.read(audit.size, 25)) == list(range(25))
        follower.seq = 28
        assert seqs(follower.read(audit.size)) == [28, 29, 30]
        whole, end = path.read_bytes(), path.stat().st_size
        path.write_bytes(whole[:-1])
        with pytest.raises(Damaged) as torn:
            Follower(audit.directory).read(audit.size)
        assert torn.value.torn
        path.write_bytes(whole[: end - 900] + b"?" + whole[end - 899 :])
        with pytest.raises(Damaged):
            Follower(audit.directory).read(audit.size)
        path.write_bytes(whole)


async def test_damage_is_said(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        path = segments(audit.directory)[0].path
        data = path.read_bytes()
        path.write_bytes(data[:20] + b"?" + data[21:])
        with pytest.raises(Damaged):
            Follower(audit.directory).read(1)
        path.write_bytes(data)
