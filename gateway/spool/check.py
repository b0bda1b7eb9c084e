"""Checks every chain of a machine, as it lies on disk, against what was signed and what others keep of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.ledger.chain import decode
from gateway.ledger.checkpoint import Checkpoint, Trimming, open_checkpoint, open_trimming
from gateway.ledger.frame import Damaged, frames
from gateway.ledger.note import NotSigned
from gateway.ledger.verify import Problem, Verdict, verify_chain
from gateway.spool.files import CHECKPOINT, TRIMMED, chains, is_live, segments


@dataclass(slots=True)
class Report:
    """`missing` names chains that are known from elsewhere and are not on disk; `unreadable` notes that prove nothing.

    What these say of chains that are there is in the chains' own verdicts.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.missing and not self.unreadable and not any(v.problems for v in self.verdicts)

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        found = [
            {
                "chain": v.chain,
                "size": v.size,
                "anchored": v.anchored,
                "closed": v.final,
                "first_bad": v.first_bad,
                "problems": [f"{problem.seq}: {problem.what}" for problem in v.problems],
            }
            for v in self.verdicts
        ]
        bad = next((f"{v.chain}/{v.first_bad}" for v in self.verdicts if v.first_bad is not None), None)
        return {
            "valid": self.sound,
            "first_bad": bad,
            "chains": found,
            "missing": self.missing,
            "unreadable": self.unreadable,
        }


def verify_all(
    root: Path, name: str, key: Ed25519PublicKey, kept: Iterable[str] = (), *, own: str | None = None
) -> Report:
    """Check the chains below `root`.

    Args:
        name, key: of the deployment, from a source other than `root`.
        kept: checkpoints from elsewhere; without any, the ends of chains are anchored only as far as `root` says.
        own: the chain that the asking process writes. Chains that only `kept` knows are then those of other machines;
            otherwise they are missing.
    """
    report = Report()
    checkpoints = []
    for note in kept:
        try:
            checkpoints.append(open_checkpoint(note, name, key))
        except NotSigned as error:
            report.unreadable.append(f"a checkpoint kept elsewhere: {error}")
    ids = chains(root)
    heads = _named(root, ids)
    for chain in ids:
        report.verdicts.append(_verify(root / chain, name, key, checkpoints, heads.get(chain, ())))
    _anchor(report.verdicts)
    let_go = {chain for v in report.verdicts for chain, seq in v.trimmed.items() if seq < v.anchored}
    known = {*heads, *(c.chain for c in checkpoints)} if own is None else {*heads, own}
    report.missing = sorted(known - set(ids) - let_go)
    return report


def _verify(
    directory: Path,
    name: str,
    key: Ed25519PublicKey,
    kept: Sequence[Checkpoint],
    heads: Sequence[tuple[int, bytes]],
) -> Verdict:
    chain, notes, problems = directory.name, list(kept), []
    live = is_live(directory)  # asked first, and the notes read before the records: both only grow
    own: Checkpoint | None = None
    trimming: Trimming | None = None
    try:
        if (text := _text(directory / CHECKPOINT)) is not None:
            own = open_checkpoint(text, name, key)
            notes.append(own)
    except NotSigned as error:
        problems.append(f"its checkpoint is not signed: {error}")
    try:
        if (text := _text(directory / TRIMMED)) is not None:
            trimming = open_trimming(text, name, key)
    except NotSigned as error:
        problems.append(f"the note of what was let go of it is not signed: {error}")
    for note in (own, trimming):
        if note is not None and note.chain != chain:
            problems.append(f"it has a note of the chain {note.chain}")
    trimming = trimming if trimming is not None and trimming.chain == chain else None
    newest = max((c.size for c in kept if c.chain == chain), default=0)
    if not live and newest > (own.size if own else 0):
        problems.append(f"its checkpoint is older than one kept elsewhere, of {newest} records")
    begin = trimming.first if trimming else 0  # a segment before that was about to go
    parts = [(segment.first, _reader(segment.path)) for segment in segments(directory) if segment.first >= begin]
    verdict = verify_chain(chain, parts, notes, heads=heads, trimming=trimming, live=live)
    seq = verdict.anchored if verdict.first_bad is None else verdict.first_bad
    verdict.problems += [Problem(seq, what) for what in problems]
    return verdict


def _anchor(verdicts: Sequence[Verdict]) -> None:
    """Let what is signed of a chain hold the end of those it names. Anybody can write a chain that is not signed."""
    found = {verdict.chain: verdict for verdict in verdicts}
    for namer in [verdict for verdict in verdicts if verdict.anchored]:
        for chain, (size, head) in namer.previous.items():
            named = found.get(chain)
            if named is not None and not named.problems and named.heads.get(size) == head:
                named.anchored = max(named.anchored, size)


def _named(root: Path, ids: Sequence[str]) -> dict[str, list[tuple[int, bytes]]]:
    """The heads of chains as the first records of others name them."""
    heads: dict[str, list[tuple[int, bytes]]] = {}
    for chain in ids:
        first = next(iter(segments(root / chain)), None)
        if first is None or first.first:
            continue
        try:
            record = decode(next(frames(first.path.read_bytes())).payload)
            for named in record.get("metadata", {}).get("previous", ()):
                heads.setdefault(named["chain"], []).append((named["size"], bytes.fromhex(named["head"])))
        except (Damaged, StopIteration, ValueError, LookupError, TypeError, AttributeError):
            continue  # its own verdict says so
    return heads


def _reader(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
