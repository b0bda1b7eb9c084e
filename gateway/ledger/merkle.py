"""The tree over a chain's records (RFC 6962 section 2.1; checks of proofs as in RFC 9162 section 2.1.3 and 2.1.4)."""

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Grows leaf by leaf and keeps one hash for each full subtree: about log2(size) of them.

    Args:
        size, peaks: where to go on, as an earlier `size` and `peaks` said.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"{len(peaks)} peaks for {size} leaves; it has {size.bit_count()}")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The hashes of the full subtrees, the largest first."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        peaks, size = self._peaks, self.size
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


class Leaves:
    """The leaves from number `first` on, and the peaks of the tree before them, where earlier ones were let go.

    Proofs can be given for the leaves that are there, and between sizes of at least `first`.
    """

    def __init__(self, leaves: Sequence[bytes], first: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self._leaves = leaves
        self._first = first
        self._peaks: dict[tuple[int, int], bytes] = {}
        at = 0
        for peak, bit in zip(peaks, (b for b in reversed(range(first.bit_length())) if first >> b & 1), strict=True):
            self._peaks[at, at + (1 << bit)] = peak
            at += 1 << bit

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The audit path of leaf `index` in the tree of `size` leaves. Raises ValueError where there is none."""
        if not self._first <= index < size <= self._first + len(self._leaves):
            raise ValueError(f"no proof of record {index} in a tree of {size}")
        return self._path(index, 0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `old` leaves is a part of that of `new`. Raises ValueError where there is none."""
        if not max(1, self._first) <= old <= new <= self._first + len(self._leaves):
            raise ValueError(f"no proof from {old} to {new} records")
        return self._part(old, 0, new, whole=True)

    def root(self, size: int) -> bytes:
        return self._subtree(0, size) if size else EMPTY

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        split = low + _split(high - low)
        if index < split:
            return [*self._path(index, low, split), self._subtree(split, high)]
        return [*self._path(index, split, high), self._subtree(low, split)]

    def _part(self, old: int, low: int, high: int, *, whole: bool) -> list[bytes]:
        if old == high:
            return [] if whole else [self._subtree(low, high)]
        split = low + _split(high - low)
        if old <= split:
            return [*self._part(old, low, split, whole=whole), self._subtree(split, high)]
        return [*self._part(old, split, high, whole=False), self._subtree(low, split)]

    def _subtree(self, low: int, high: int) -> bytes:
        known = self._peaks.get((low, high))
        if known is not None:
            return known
        if low >= self._first:
            tree = Tree()
            for leaf in self._leaves[low - self._first : high - self._first]:
                tree.append(leaf)
            return tree.root()
        if high <= self._first:
            raise ValueError(f"the hash of records {low} to {high - 1} was let go")
        split = low + _split(high - low)
        return node_hash(self._subtree(low, split), self._subtree(split, high))


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` shows that `leaf` is number `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` shows that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
