"""Whether a chain is what was written: every byte of its records, their order, their number, and what was signed.

Pure: bytes in, verdict out. What is cut off at the end of a chain shows in no byte that is left, so it takes a
statement from elsewhere about how long the chain was: a checkpoint kept apart, or a later chain that names this one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.ledger.chain import decode, leaf_hash, origin
from gateway.ledger.checkpoint import Checkpoint, Trimming
from gateway.ledger.frame import Damaged, frames
from gateway.ledger.merkle import Tree

TRIMMED = "trim:chain"
REWRITTEN = ("rewrite:segment", "resume:record")


@dataclass(frozen=True, slots=True)
class Problem:
    """`seq` is the first record that is wrong or missing."""

    seq: int
    what: str


@dataclass(slots=True)
class Verdict:
    """About one chain.

    Attributes:
        size: records that are whole and in order, counted from the chain's beginning.
        head: hash of the last of them.
        anchored: records below this number are covered by a signed statement; the rest may have been cut or made up.
        heads: hashes of the last records of the sizes that later chains name.
        previous: chains that this one names, with their size and head.
        trimmed: chains that this one says were let go altogether, and the number of the record that says so.
    """

    chain: str
    size: int = 0
    head: bytes = b""
    anchored: int = 0
    final: bool = False
    heads: dict[int, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    previous: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    trimmed: dict[str, int] = field(default_factory=dict)

    @property
    def first_bad(self) -> int | None:
        return min((problem.seq for problem in self.problems), default=None)


class _Reading:
    """One pass over the records of a chain."""

    def __init__(self, chain: str, sizes: Iterable[int], trimming: Trimming | None) -> None:
        self.verdict = Verdict(chain)
        self.tree = trimming.tree() if trimming else Tree()
        self.head = trimming.head if trimming else origin(chain)
        self.start = self.tree.size
        self.roots: dict[int, bytes] = {}
        self.heads: dict[int, bytes] = {}
        self._sizes = set(sizes)
        self._overlaps: dict[int, str] = {}
        self._note()

    def segment(self, first: int, data: bytes, following: int | None, *, live: bool) -> bool:
        """Read one; whether the next may be read."""
        if first != self.tree.size:
            return self._bad(self.tree.size, f"records up to {first - 1} are missing" if first > self.tree.size
                             else f"a segment begins with number {first} again")  # fmt: skip
        try:
            for frame in frames(data):
                if self.tree.size == following:
                    self._overlaps[following] = "bytes after the last record of a segment"
                    return True
                if not self._record(frame.payload):
                    return False
        except Damaged as damage:
            if self.tree.size == following:
                self._overlaps[following] = "bytes after the last record of a segment"
                return True
            if live and damage.torn and following is None:
                return True  # it is being written just now
            return self._bad(self.tree.size, damage.reason)
        return True

    def finish(self) -> None:
        for seq, what in self._overlaps.items():
            self._bad(seq, what)
        self.verdict.size, self.verdict.head = self.tree.size, self.head

    def _record(self, payload: bytes) -> bool:
        seq = self.tree.size
        try:
            record = decode(payload)
        except ValueError as error:
            return self._bad(seq, str(error))
        if record["seq"] != seq:
            return self._bad(seq, f"it says that it is number {record['seq']}")
        if record["prev"] != self.head.hex():
            return self._bad(seq, "it does not follow the record before it")
        self.head = leaf_hash(payload)
        self.tree.append(self.head)
        self._note()
        if record.get("kind") == "gateway":
            self._own(record)
        return True

    def _own(self, record: Mapping[str, Any]) -> None:
        """What the gateway says of itself: which chains came before, which bytes do not count, what was let go."""
        metadata = record.get("metadata", {})
        for named in metadata.get("previous", ()):
            self.verdict.previous[named["chain"]] = named["size"], bytes.fromhex(named["head"])
        if record["action"] in REWRITTEN:
            self._overlaps.pop(metadata.get("first"), None)
        elif record["action"] == TRIMMED and metadata.get("whole"):
            self.verdict.trimmed[record["resource"]] = record["seq"]

    def _note(self) -> None:
        if self.tree.size in self._sizes:
            self.roots[self.tree.size] = self.tree.root()
            self.heads[self.tree.size] = self.head

    def _bad(self, seq: int, what: str) -> bool:
        self.verdict.problems.append(Problem(seq, what))
        return False


def verify_chain(
    chain: str,
    segments: Sequence[tuple[int, Callable[[], bytes]]],
    checkpoints: Sequence[Checkpoint] = (),
    *,
    heads: Sequence[tuple[int, bytes]] = (),
    trimming: Trimming | None = None,
    live: bool = False,
) -> Verdict:
    """Check one chain.

    Args:
        segments: first number of each, in order, and what gives its bytes.
        checkpoints: opened ones that anybody kept; of other chains too.
        heads: size and last hash of the chain, as later chains name them. They anchor nothing yet: nobody here knows
            whether those chains are signed.
        trimming: opened, if its beginning was let go.
        live: its process may be writing: the last bytes may be half a record.
    """
    own = [c for c in checkpoints if c.chain == chain]
    reading = _Reading(chain, [c.size for c in own] + [size for size, _ in heads], trimming)
    for at, (first, read) in enumerate(segments):
        following = segments[at + 1][0] if at + 1 < len(segments) else None
        if not reading.segment(first, read(), following, live=live):
            break
    reading.finish()
    verdict = reading.verdict
    _compare(verdict, own, reading)
    for size, head in heads:
        if size > verdict.size and not verdict.problems:
            verdict.problems.append(Problem(verdict.size, f"a later chain says there were {size} records"))
        elif size in reading.heads and reading.heads[size] != head:
            verdict.problems.append(Problem(max(verdict.anchored, 0), "a later chain names another last record"))
    verdict.heads = reading.heads
    return verdict


def _compare(verdict: Verdict, checkpoints: Sequence[Checkpoint], reading: _Reading) -> None:
    """Hold what was read against what was signed, from the smallest size on."""
    signed: dict[int, bytes] = {}
    for checkpoint in sorted(checkpoints, key=lambda c: c.size):
        if signed.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            verdict.problems.append(Problem(verdict.anchored, "two checkpoints of one size differ: the chain forked"))
        elif checkpoint.size > verdict.size:
            if not verdict.problems:
                what = f"{checkpoint.size} records were signed, {verdict.size} are there"
                verdict.problems.append(Problem(verdict.size, what))
        elif checkpoint.size >= reading.start and reading.roots[checkpoint.size] != checkpoint.root:
            what = f"records {verdict.anchored} to {checkpoint.size - 1} are not those that were signed"
            verdict.problems.append(Problem(verdict.anchored, what))
            return
        else:
            verdict.anchored = max(verdict.anchored, checkpoint.size)
        if checkpoint.final:
            verdict.final = True
            if verdict.size > checkpoint.size:
                verdict.problems.append(Problem(checkpoint.size, "records follow the last checkpoint of the chain"))
