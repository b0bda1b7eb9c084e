"""Old records go by whole segments; what is left still verifies, and what went is stated."""

from pathlib import Path

import pytest

from gateway.spool.check import verify_all
from gateway.spool.disk import Disk
from gateway.spool.files import chains, segments
from gateway.spool.proof import prove
from gateway.spool.trim import Trimmer
from tests.spool.keeping import NOW, SIGNER, audit_at, entry, keeping, records

KEY = SIGNER.public_key


async def trimmed(root: Path, now: float, life: float) -> tuple[int, str]:
    """Trim as the process that keeps the record now would; how many went, and that process's chain."""
    async with keeping(audit_at(root)) as audit:
        trimmer = Trimmer(root, SIGNER, Disk(), lambda said: audit.later(said), clock=lambda: now, life=life)
        return trimmer.trim(audit.chain), audit.chain


async def old_chain(root: Path) -> str:
    async with keeping(audit_at(root, segment_bytes=2000)) as audit:
        for number in range(100):
            audit.append(entry(number))
    return audit.chain


async def test_segments_go_and_the_rest_verifies_and_has_proofs(tmp_path: Path) -> None:
    chain = await old_chain(tmp_path)
    before = len(segments(tmp_path / chain))
    # The last record, of the clock of `keeping`, is no older than the first.
    gone, _ = await trimmed(tmp_path, NOW + 150, 100)
    left = segments(tmp_path / chain)
    assert 20 < gone < 60
    assert left[0].first == gone
    assert len(left) < before
    report = verify_all(tmp_path, "leuko", KEY)
    assert report.sound, [v.problems for v in report.verdicts]
    verdict = next(v for v in report.verdicts if v.chain == chain)
    assert (verdict.size, verdict.anchored) == (102, 102)
    assert prove(tmp_path / chain, 101, "leuko", KEY).index == 101
    with pytest.raises(LookupError):
        prove(tmp_path / chain, 0, "leuko", KEY)
    again, _ = await trimmed(tmp_path, NOW + 170, 100)
    assert again > 0
    assert verify_all(tmp_path, "leuko", KEY).sound


async def test_a_chain_that_is_old_altogether_goes_and_its_going_is_recorded(tmp_path: Path) -> None:
    chain = await old_chain(tmp_path)
    gone, own = await trimmed(tmp_path, NOW + 10_000, 100)
    assert gone == 102
    assert chains(tmp_path) == [own]
    said = next(r for r in records(tmp_path, own) if r["action"] == "trim:chain")
    assert (said["resource"], said["metadata"]["first"], said["metadata"]["whole"]) == (chain, 102, True)
    assert verify_all(tmp_path, "leuko", KEY).sound


async def test_nothing_young_and_nothing_damaged_goes(tmp_path: Path) -> None:
    chain = await old_chain(tmp_path)
    assert (await trimmed(tmp_path, NOW + 50, 100))[0] == 0
    first = segments(tmp_path / chain)[0].path
    first.write_bytes(b"\x00" + first.read_bytes()[1:][::-1])
    await trimmed(tmp_path, NOW + 150, 100)
    assert first.exists()
    assert not (tmp_path / chain / "trimmed").exists()


async def test_the_note_of_a_trimming_cannot_change(tmp_path: Path) -> None:
    chain = await old_chain(tmp_path)
    await trimmed(tmp_path, NOW + 150, 100)
    note = tmp_path / chain / "trimmed"
    note.write_text(note.read_text().replace("\n4", "\n5").replace("\n3", "\n4").replace("A", "B", 1))
    assert not verify_all(tmp_path, "leuko", KEY).sound
