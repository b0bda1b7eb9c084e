"""What a start finds of the processes before it: heads to name, torn tails to put aside, decisions without outcome."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.ledger.chain import decode, leaf_hash, origin
from gateway.ledger.frame import Damaged, frames
from gateway.model.audit import AuditEntry
from gateway.spool.disk import Disk
from gateway.spool.files import CHECKPOINT, SUCCESSOR, SegmentFile, chains, lock, segments

STOPPED = "stop:gateway"
_LOOK_BACK_MS = 2 * 3600 * 1000  # no exchange lasts longer
_TORN_SUFFIX = ".torn"


@dataclass(slots=True)
class Ended:
    """A chain whose process is gone.

    Attributes:
        size: records it has; `head` the hash of the last.
        torn: bytes at its end that were no record; they lie beside it now.
        open: its decisions whose outcome nobody wrote, by entry.
        damaged: its bytes end in the middle of a segment, which no crash does.
    """

    chain: str
    size: int
    head: bytes
    torn: int = 0
    damaged: bool = False
    open: dict[str, dict[str, Any]] = field(default_factory=dict)


def recover(root: Path, disk: Disk, *, but: str) -> list[Ended]:
    """Every ended chain that no later one names, but the chain `but`. Raises OSError."""
    found: list[Ended] = []
    closed: set[str] = set()
    for chain in chains(root):
        directory = root / chain
        if chain == but or (directory / SUCCESSOR).exists():
            continue
        held = lock(directory)
        if held is None:
            continue  # its process lives
        try:
            found.append(_examine(directory, chain, disk, closed))
        finally:
            os.close(held)
    for ended in found:
        for entry in closed & ended.open.keys():
            del ended.open[entry]
    return found


def aftermath(ended: Ended, now: float) -> Iterator[AuditEntry]:
    """What is to be recorded about an ended chain: its recovery, and an outcome for each decision that has none."""
    if ended.torn or ended.damaged or ended.open:
        yield AuditEntry(
            time=now,
            kind="gateway",
            action="recover:chain",
            resource=ended.chain,
            metadata={"size": ended.size, "torn": ended.torn, "damaged": ended.damaged, "open": len(ended.open)},
        )
    for entry, record in ended.open.items():
        yield AuditEntry(
            time=now,
            kind="outcome",
            action=record["action"],
            resource=record["resource"],
            request_id=record.get("request_id"),
            agent_id=record.get("agent_id"),
            result="aborted",
            of=entry,
        )


def succeed(root: Path, ended: Ended, successor: str, disk: Disk) -> None:
    """Mark an ended chain as named by `successor`, once that record is safe."""
    disk.replace(root / ended.chain / SUCCESSOR, successor.encode() + b"\n")


def _examine(directory: Path, chain: str, disk: Disk, closed: set[str]) -> Ended:
    every = segments(directory)
    ended = Ended(chain, 0, origin(chain))
    if not every:
        return ended
    ended.torn = _without_gap(every, disk) + _put_aside(every[-1], disk)
    decisions: dict[str, dict[str, Any]] = {}
    latest = 0
    for at in range(len(every) - 1, -1, -1):
        following = every[at + 1].first if at + 1 < len(every) else None
        records, whole = _read(every[at], following)
        ended.damaged |= not whole
        if records and not ended.size:
            ended.size = every[at].first + len(records)
            ended.head = leaf_hash(records[-1])
            last = decode(records[-1])
            if last["action"] == STOPPED:
                return ended
            latest = last["time"]
        _sort(chain, records, decisions, closed)
        # By the end of a segment, not its beginning: the clock may have been set forward within the one that follows.
        if records and decode(records[-1])["time"] < latest - _LOOK_BACK_MS:
            break
    ended.open = decisions
    return ended


def _sort(chain: str, records: list[bytes], decisions: dict[str, dict[str, Any]], closed: set[str]) -> None:
    for payload in records:
        record = decode(payload)
        if record["kind"] == "decision" and record["allowed"]:
            decisions[f"{chain}/{record['seq']}"] = record
        elif record["kind"] == "outcome" and record.get("of") is not None:
            closed.add(record["of"])


def _read(segment: SegmentFile, following: int | None) -> tuple[list[bytes], bool]:
    """A segment's records up to number `following`, and whether all bytes up to there are records."""
    found: list[bytes] = []
    try:
        for frame in frames(segment.path.read_bytes()):
            found.append(frame.payload)
            if following is not None and segment.first + len(found) >= following:
                break
    except Damaged:
        return found, False
    return found, following is None or segment.first + len(found) == following


def _without_gap(every: list[SegmentFile], disk: Disk) -> int:
    """A loss of power may spare the last segment and take the end of the one before; put the last one aside then.

    Only what was not signed: what was signed had been safe, so its loss is no crash's doing. How many bytes.
    """
    if len(every) < 2:
        return 0
    records, _ = _read(every[-2], every[-1].first)
    end = every[-2].first + len(records)
    if end >= every[-1].first or _signed(every[-1].path.parent) > end:
        return 0
    lost = every.pop()
    size = lost.path.stat().st_size
    os.replace(lost.path, lost.path.with_name(lost.path.name + _TORN_SUFFIX))
    disk.sync_directory(lost.path.parent)
    return size


def _signed(directory: Path) -> int:
    """The size that a chain's checkpoint states, whoever signed it; 0 without one."""
    try:
        return int((directory / CHECKPOINT).read_text("utf-8", "replace").split("\n")[1])
    except (FileNotFoundError, IndexError, ValueError):
        return 0


def _put_aside(segment: SegmentFile, disk: Disk) -> int:
    """Move what a crash has left of a record from the end of a segment into a file of its own; how many bytes."""
    data = segment.path.read_bytes()
    try:
        for _ in frames(data):
            pass
    except Damaged as damage:
        if not damage.torn:
            return 0  # no crash does this: it stays where it is, for `verify`
        rest = data[damage.offset :]
        disk.replace(segment.path.with_name(segment.path.name + _TORN_SUFFIX), rest)
        descriptor = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            disk.truncate(descriptor, damage.offset)
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
        return len(rest)
    return 0
