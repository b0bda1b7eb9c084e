"""What a start finds of a process that was killed, or of a machine that lost power."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from gateway.ledger.frame import HEADER, frame
from gateway.spool.begin import begin_chain
from gateway.spool.check import verify_all
from gateway.spool.disk import Disk
from gateway.spool.files import SUCCESSOR, lock, segments
from gateway.spool.writer import ChainWriter
from tests.spool.keeping import SIGNER, audit_at, entry, keeping, records

KEY = SIGNER.public_key


def killed(root: Path, chain: str, entries: int = 3) -> ChainWriter:
    """A chain whose process is gone: so many decisions, of which the first has its outcome."""
    writer, held = begin_chain(root, chain, Disk(), now=1.8e9, segment_bytes=1 << 20)
    for number in range(entries):
        writer.append(entry(number, agent_id="agt_1", resource="gpt-4o"))
    writer.append(entry(0, kind="outcome", of=f"{chain}/1", result="success"))
    writer.close()
    os.close(held)
    return writer


async def after(root: Path) -> list[dict[str, object]]:
    """The records of the next process."""
    async with keeping(audit_at(root)) as audit:
        pass
    return records(root, audit.chain)


async def test_each_decision_without_an_outcome_gets_one(tmp_path: Path) -> None:
    old = "a" * 32
    killed(tmp_path, old)
    found = await after(tmp_path)
    assert [r["action"] for r in found] == [
        "start:gateway", "recover:chain", "call:model", "call:model", "stop:gateway",
    ]  # fmt: skip
    assert found[1]["resource"] == old
    assert found[1]["metadata"] == {"size": 5, "torn": 0, "damaged": False, "open": 2}
    assert {(r["of"], r["result"], r["request_id"], r["agent_id"], r["resource"]) for r in found[2:4]} == {
        (f"{old}/2", "aborted", "req_1", "agt_1", "gpt-4o"),
        (f"{old}/3", "aborted", "req_2", "agt_1", "gpt-4o"),
    }
    assert verify_all(tmp_path, "leuko", KEY).sound


async def test_a_clock_that_was_set_forward_hides_no_decision(tmp_path: Path) -> None:
    """A month passes for the clock between the decisions and an outcome, which is in the next segment."""
    old = "a" * 32
    writer, held = begin_chain(tmp_path, old, Disk(), now=1.8e9, segment_bytes=300)
    for number in range(3):
        writer.append(entry(number))
    writer.append(entry(30 * 86_400, kind="outcome", of=f"{old}/1", result="success"))
    writer.close()
    os.close(held)
    assert [segment.first for segment in segments(tmp_path / old)] == [0, 2, 4]
    found = await after(tmp_path)
    assert {r["of"] for r in found if r.get("result") == "aborted"} == {f"{old}/2", f"{old}/3"}


async def test_the_first_record_names_the_chains_before_and_each_is_named_once(tmp_path: Path) -> None:
    writers = [killed(tmp_path, letter * 32) for letter in "ab"]
    previous = (await after(tmp_path))[0]["metadata"]["previous"]  # type: ignore[index]
    mine = [p for p in previous if p["chain"] == "b" * 32]
    assert mine == [{"chain": "b" * 32, "size": writers[1].seq, "head": writers[1].head.hex()}]
    # The second of them had named the first.
    assert (tmp_path / ("a" * 32) / SUCCESSOR).read_text().strip() == "b" * 32
    later = (await after(tmp_path))[0]["metadata"]["previous"]  # type: ignore[index]
    assert len(later) == 1
    assert later[0]["chain"] not in ("a" * 32, "b" * 32)


async def test_a_chain_that_ended_well_needs_no_recovery(tmp_path: Path) -> None:
    await after(tmp_path)
    assert [r["action"] for r in await after(tmp_path)] == ["start:gateway", "stop:gateway"]


async def test_an_outcome_that_a_recovery_wrote_is_not_written_again(tmp_path: Path) -> None:
    killed(tmp_path, "a" * 32)
    second, held = begin_chain(tmp_path, "b" * 32, Disk(), now=1.8e9, segment_bytes=1 << 20)
    second.close()
    os.close(held)
    (tmp_path / ("a" * 32) / SUCCESSOR).unlink()  # killed before it could say so
    found = await after(tmp_path)
    assert [r for r in found if r.get("result") == "aborted"] == []


@pytest.mark.parametrize("tail", [b"\x00", frame(b"half a record")[:9], frame(b"x" * 90)[:-1], HEADER.pack(90, 1)])
async def test_half_a_record_is_put_aside(tmp_path: Path, tail: bytes) -> None:
    old = "a" * 32
    killed(tmp_path, old)
    path = segments(tmp_path / old)[-1].path
    with path.open("ab") as file:
        file.write(tail)
    found = await after(tmp_path)
    assert found[1]["metadata"] == {"size": 5, "torn": len(tail), "damaged": False, "open": 2}
    assert path.with_name(path.name + ".torn").read_bytes() == tail
    assert verify_all(tmp_path, "leuko", KEY).sound


async def test_damage_that_no_crash_leaves_stays_where_it_is(tmp_path: Path) -> None:
    old = "a" * 32
    killed(tmp_path, old)
    path = segments(tmp_path / old)[-1].path
    data = bytearray(path.read_bytes())
    data[HEADER.size + 5] ^= 1
    path.write_bytes(data)
    found = await after(tmp_path)
    assert found[1]["metadata"]["damaged"] is True  # type: ignore[index]
    assert path.read_bytes() == bytes(data)
    assert not verify_all(tmp_path, "leuko", KEY).sound


async def test_the_chain_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    async with keeping(audit_at(tmp_path)) as first, keeping(audit_at(tmp_path)) as second:
        first.append(entry(1))
        assert records(tmp_path, second.chain)[0]["metadata"]["previous"] == []
        assert not (first.directory / SUCCESSOR).exists()
        assert lock(first.directory) is None


async def test_several_that_start_together_recover_each_chain_once(tmp_path: Path) -> None:
    killed(tmp_path, "a" * 32)
    audits = [audit_at(tmp_path) for _ in range(4)]
    await asyncio.gather(*(asyncio.to_thread(audit.open) for audit in audits))
    found = [r for audit in audits for r in records(tmp_path, audit.chain) if r.get("result") == "aborted"]
    assert sorted(str(r["of"]) for r in found) == [f"{'a' * 32}/2", f"{'a' * 32}/3"]
    for audit in audits:
        await audit.close()


class RecordingDisk(Disk):
    """Notes what would survive a loss of power after each operation: bytes synced, and names synced."""

    def __init__(self) -> None:
        self.sizes: dict[int, tuple[Path, int]] = {}
        self.moments: list[dict[Path, tuple[int, int]]] = []
        self._state: dict[Path, tuple[int, int]] = {}  # safe bytes, written bytes

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.sizes[descriptor] = (path, 0)
        self._state[path] = (0, 0)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        taken = super().write(descriptor, data)
        if descriptor in self.sizes:
            path, size = self.sizes[descriptor]
            self.sizes[descriptor] = (path, size + taken)
            self._state[path] = (self._state[path][0], size + taken)
            self.moments.append(dict(self._state))
        return taken

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        if descriptor in self.sizes:
            path, size = self.sizes[descriptor]
            self._state[path] = (size, size)
            self.moments.append(dict(self._state))

    def close(self, descriptor: int) -> None:
        self.sizes.pop(descriptor, None)
        super().close(descriptor)


async def test_after_a_loss_of_power_at_any_moment_the_rest_is_sound(tmp_path: Path) -> None:
    """Whatever was not synced is gone, or a part of it is there: what is left verifies, and nothing safe is missing."""
    disk, root = RecordingDisk(), tmp_path / "before"
    async with keeping(audit_at(root, disk, segment_bytes=1500)) as audit:
        for number in range(12):
            audit.append(entry(number))
            if number % 4 == 3:
                await audit.durable(f"{audit.chain}/{audit.size - 1}")
    chain = audit.chain
    (root / chain / "checkpoint").unlink()  # it may be newer than the moment
    for moment, state in enumerate(disk.moments):
        for part in (0.0, 0.4, 1.0):
            copy = tmp_path / f"{moment}-{part}"
            (copy / chain).mkdir(parents=True)
            shutil.copy(root / chain / "lock", copy / chain / "lock")
            for path, (safe, size) in state.items():
                # Of several files, the disk may have written more of a later one.
                kept = size if part == 0.4 and path == max(state) else safe + int((size - safe) * part)
                (copy / chain / path.name).write_bytes(path.read_bytes()[:kept])
            async with keeping(audit_at(copy)) as later:
                pass
            assert verify_all(copy, "leuko", KEY).sound, (moment, part)
            assert records(copy, later.chain)[0]["metadata"]["previous"][0]["chain"] == chain
            shutil.rmtree(copy)
