"""Tampering with a machine's record: whatever is done to it is found, with the first record that is wrong."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.chain import decode, encode, leaf_hash, origin
from gateway.ledger.checkpoint import open_checkpoint, sign_checkpoint
from gateway.ledger.frame import frame, frames
from gateway.ledger.merkle import Tree
from gateway.ledger.note import Signer
from gateway.ledger.verify import verify_chain
from gateway.model.audit import AuditEntry
from gateway.spool.check import Report, verify_all
from gateway.spool.files import chains, payloads, segments
from tests.spool.keeping import NOW, SIGNER, audit_at, entry, keeping

KEY = SIGNER.public_key
RECORDS = 200
OTHER = Signer("leuko", Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))


async def write(root: Path, records: int = RECORDS) -> str:
    """A closed chain of so many records, in some segments; checkpoints only at its end."""
    async with keeping(audit_at(root, segment_bytes=12_000)) as audit:
        for number in range(records - 2):
            audit.append(entry(number))
    return audit.chain


@pytest.fixture
async def written(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path, await write(tmp_path)


def note_of(root: Path, chain: str) -> str:
    return (root / chain / "checkpoint").read_text()


def check(root: Path, *kept: str) -> Report:
    return verify_all(root, "leuko", KEY, kept)


def bad(root: Path, *kept: str) -> int | None:
    report = check(root, *kept)
    assert not report.sound
    return report.verdicts[0].first_bad


def rewrite_payloads(root: Path, chain: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Put the changed records into the first segment, with right lengths and checksums, and drop the others."""
    found = change(list(payloads(root / chain, 0)))
    first, *rest = segments(root / chain)
    first.path.write_bytes(b"".join(map(frame, found)))
    for segment in rest:
        segment.path.unlink()


def again(chain: str, found: list[bytes]) -> list[bytes]:
    """The same entries with numbers and hashes that fit: what an intruder without the key can do."""
    made, head = [], origin(chain)
    for number, payload in enumerate(found):
        record = decode(payload)
        made.append(encode(number, head, AuditEntry(record["time"] / 1000, record["kind"], record["action"])))
        head = leaf_hash(made[-1])
    return made


async def test_what_nobody_touched_is_sound_and_anchored(written: tuple[Path, str]) -> None:
    root, chain = written
    report = check(root, note_of(root, chain))
    assert report.sound
    (verdict,) = report.verdicts
    assert (verdict.size, verdict.anchored, verdict.final) == (RECORDS, RECORDS, True)
    assert len(segments(root / chain)) > 3


def flips_found(root: Path, chain: str, offsets: range) -> int:
    """Change a byte at each offset of the log, one after another; how many were found in time."""
    checkpoint = open_checkpoint(note_of(root, chain), "leuko", KEY)
    parts = [(segment.first, bytearray(segment.path.read_bytes())) for segment in segments(root / chain)]
    starts: list[tuple[int, int, int, int]] = []  # offset in the log, segment, offset in it, record
    at = 0
    for index, (first, data) in enumerate(parts):
        starts += [(at + f.start, index, at, first + n) for n, f in enumerate(frames(bytes(data)))]
        at += len(data)
    found = 0
    for offset in (o for o in offsets if o < at):
        _, index, base, record = max(s for s in starts if s[0] <= offset)
        data = parts[index][1]
        before = data[offset - base]
        data[offset - base] ^= random.Random(offset).randrange(1, 256)
        verdict = verify_chain(chain, [(first, lambda d=d: bytes(d)) for first, d in parts], [checkpoint])  # type: ignore[misc]
        data[offset - base] = before
        assert verdict.first_bad == record, f"byte {offset}: record {record}, said {verdict.problems}"
        found += 1
    return found


async def test_any_byte_that_changes_is_found_with_its_record(written: tuple[Path, str]) -> None:
    root, chain = written
    assert flips_found(root, chain, range(0, 1_000_000, 37)) > 1000


@pytest.mark.faults
async def test_every_byte_that_changes_is_found_with_its_record(written: tuple[Path, str]) -> None:
    root, chain = written
    size = sum(segment.path.stat().st_size for segment in segments(root / chain))
    assert flips_found(root, chain, range(size)) == size


async def test_no_byte_of_the_checkpoint_can_change(written: tuple[Path, str]) -> None:
    root, chain = written
    path = root / chain / "checkpoint"
    note = path.read_bytes()
    for at in range(0, len(note), 3):
        path.write_bytes(note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :])
        assert not check(root).sound


async def test_an_edited_record_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    rewrite_payloads(root, chain, lambda found: [p.replace(b"req_70", b"req_71") for p in found])
    assert bad(root) == 72  # the record after it no longer follows


async def test_a_deleted_record_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    rewrite_payloads(root, chain, lambda found: found[:50] + found[51:])
    assert bad(root) == 50


async def test_an_inserted_record_is_found(written: tuple[Path, str]) -> None:
    root, chain = written

    def insert(found: list[bytes]) -> list[bytes]:
        head = leaf_hash(found[49])
        return [*found[:50], encode(50, head, AuditEntry(NOW, "decision", "call:model")), *found[50:]]

    rewrite_payloads(root, chain, insert)
    assert bad(root) == 51  # the inserted one follows well; the next one does not


async def test_records_in_another_order_are_found(written: tuple[Path, str]) -> None:
    root, chain = written
    rewrite_payloads(root, chain, lambda found: [*found[:20], found[21], found[20], *found[22:]])
    assert bad(root) == 20


@pytest.mark.parametrize("cut", [1, 30])
async def test_a_tail_that_was_cut_is_found_by_what_was_signed(written: tuple[Path, str], cut: int) -> None:
    root, chain = written
    rewrite_payloads(root, chain, lambda found: found[:-cut])
    assert bad(root) == RECORDS - cut


async def test_a_tail_cut_with_its_checkpoint_is_found_only_from_elsewhere(written: tuple[Path, str]) -> None:
    root, chain = written
    kept = note_of(root, chain)
    rewrite_payloads(root, chain, lambda found: found[:-30])
    (root / chain / "checkpoint").unlink()
    report = check(root)
    assert report.sound
    assert report.verdicts[0].anchored == 0  # which is what it says: nothing holds the end
    assert bad(root, kept) == RECORDS - 30


async def test_a_dropped_segment_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    every = segments(root / chain)
    for dropped in (0, 2, len(every) - 1):
        kept = every[dropped].path.read_bytes()
        every[dropped].path.unlink()
        assert bad(root) == every[dropped].first
        every[dropped].path.write_bytes(kept)
    assert check(root).sound


async def test_a_chain_made_anew_is_found_from_the_last_sound_signature(written: tuple[Path, str]) -> None:
    root, chain = written
    tree = Tree()
    for payload in list(payloads(root / chain, 0))[:80]:
        tree.append(leaf_hash(payload))
    early = sign_checkpoint(SIGNER, chain, tree)
    rewrite_payloads(root, chain, lambda found: found[:100] + again(chain, found)[100:])
    assert bad(root, early) == 100  # the first that does not follow
    rewrite_payloads(root, chain, lambda found: again(chain, found))
    assert bad(root) == 0
    assert bad(root, early) == 0


async def test_a_chain_signed_by_another_key_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    tree = Tree()
    for payload in payloads(root / chain, 0):
        tree.append(leaf_hash(payload))
    (root / chain / "checkpoint").write_text(sign_checkpoint(OTHER, chain, tree, final=True))
    assert bad(root) == 0
    assert check(root, sign_checkpoint(OTHER, chain, tree)).unreadable


async def test_a_checkpoint_set_back_is_found_from_elsewhere(written: tuple[Path, str]) -> None:
    root, chain = written
    kept = note_of(root, chain)
    tree = Tree()
    for payload in list(payloads(root / chain, 0))[:80]:
        tree.append(leaf_hash(payload))
    (root / chain / "checkpoint").write_text(sign_checkpoint(SIGNER, chain, tree))
    assert check(root).verdicts[0].anchored == 80
    assert bad(root, kept) is not None


async def test_a_fork_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    tree = Tree()
    for number in range(RECORDS):
        tree.append(leaf_hash(b"%d" % number))
    assert bad(root, sign_checkpoint(SIGNER, chain, tree)) is not None


async def test_records_after_the_last_checkpoint_are_found(written: tuple[Path, str]) -> None:
    root, chain = written
    found = list(payloads(root / chain, 0))
    more = encode(RECORDS, leaf_hash(found[-1]), AuditEntry(NOW, "decision", "call:model"))
    rewrite_payloads(root, chain, lambda found: [*found, more])
    assert bad(root) == RECORDS


async def test_a_chain_that_a_later_one_names_cannot_go_or_shrink(written: tuple[Path, str]) -> None:
    root, chain = written
    later = await write(root, 5)
    assert check(root).sound
    assert chains(root) == [chain, later] or set(chains(root)) == {chain, later}
    (root / chain / "checkpoint").unlink()
    rewrite_payloads(root, chain, lambda found: found[:-3])
    verdict = next(v for v in check(root).verdicts if v.chain == chain)
    assert verdict.first_bad == RECORDS - 3
    rewrite_payloads(root, chain, lambda found: again(chain, found))
    assert not check(root).sound
    shutil.rmtree(root / chain)
    assert check(root).missing == [chain]


def made_up(root: Path, *entries: AuditEntry) -> str:
    """A chain that nobody signed: what an intruder without the key can add."""
    chain = "f" * 32
    head, data = origin(chain), b""
    for number, one in enumerate(entries):
        payload = encode(number, head, one)
        head, data = leaf_hash(payload), data + frame(payload)
    (root / chain).mkdir()
    (root / chain / f"{1:08d}-{0:016d}.log").write_bytes(data)
    return chain


async def test_an_unsigned_word_excuses_no_missing_chain(written: tuple[Path, str]) -> None:
    root, chain = written
    await write(root, 5)
    shutil.rmtree(root / chain)
    made_up(root, AuditEntry(NOW, "gateway", "trim:chain", resource=chain, metadata={"whole": True}))
    assert check(root).missing == [chain]


async def test_an_unsigned_word_anchors_no_chain(written: tuple[Path, str]) -> None:
    root, chain = written
    (root / chain / "checkpoint").unlink()
    rewrite_payloads(root, chain, lambda found: again(chain, found))
    head = leaf_hash(list(payloads(root / chain, 0))[-1])
    previous = [{"chain": chain, "size": RECORDS, "head": head.hex()}]
    made_up(root, AuditEntry(NOW, "gateway", "start:gateway", metadata={"previous": previous}))
    assert [verdict.anchored for verdict in check(root).verdicts] == [0, 0]


async def test_a_signed_chain_anchors_the_one_it_names(written: tuple[Path, str]) -> None:
    root, chain = written
    await write(root, 5)
    (root / chain / "checkpoint").unlink()
    assert {verdict.chain: verdict.anchored for verdict in check(root).verdicts}[chain] == RECORDS


async def test_a_chain_under_another_name_is_found(written: tuple[Path, str]) -> None:
    root, chain = written
    (root / chain).rename(root / ("0" * 32))
    assert bad(root) == 0


async def test_a_chain_that_is_being_written_is_sound(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        for number in range(50):
            audit.append(entry(number))
        await audit.durable(audit.append(entry(50)))
        assert check(tmp_path).sound
        last = segments(audit.directory)[-1].path
        with last.open("ab") as file:
            file.write(frame(b"half a record")[:9])
        assert check(tmp_path).sound
        last.write_bytes(last.read_bytes()[:-9])
