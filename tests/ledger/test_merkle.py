"""The tree of RFC 6962, and the checks of its proofs."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.chain import leaf_hash
from gateway.ledger.merkle import EMPTY, Leaves, Tree, consistent, included

# The leaves and roots that the implementations of certificate transparency test with.
INPUTS = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                     "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def test_roots_are_those_of_the_known_vectors() -> None:
    assert Tree().root() == EMPTY == hashlib.sha256(b"").digest()
    tree = Tree()
    for data, root in zip(INPUTS, ROOTS, strict=True):
        tree.append(leaf_hash(data))
        assert tree.root().hex() == root


def test_an_inclusion_path_is_that_of_the_known_vectors() -> None:
    path = Leaves([leaf_hash(data) for data in INPUTS]).inclusion(5, 8)
    assert [node.hex()[:16] for node in path] == ["bc1a0643b12e4d2d", "ca854ea128ed050b", "d37ee418976dd957"]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.data())
def test_every_proof_holds_and_none_holds_for_another_leaf_or_root(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    first = data.draw(st.integers(0, size - 1))  # what came before was let go
    kept = Leaves(leaves[first:], first, tree_of(leaves[:first]).peaks)
    root = tree_of(leaves).root()
    assert kept.root(size) == root
    index = data.draw(st.integers(first, size - 1))
    path = kept.inclusion(index, size)
    assert included(leaves[index], index, size, path, root)
    assert not included(leaf_hash(b"other"), index, size, path, root)
    assert not included(leaves[index], index, size, [*path, root], root)
    old = data.draw(st.integers(max(1, first), size))
    old_root = tree_of(leaves[:old]).root()
    proof = kept.consistency(old, size)
    assert consistent(old, size, old_root, root, proof)
    assert not consistent(old, size, leaf_hash(b"other"), root, proof)
    assert not consistent(old, size, old_root, leaf_hash(b"other"), proof)


def test_a_tree_goes_on_from_its_peaks() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(21)]
    half = tree_of(leaves[:13])
    again = Tree(half.size, half.peaks)
    for leaf in leaves[13:]:
        again.append(leaf)
    assert again.root() == tree_of(leaves).root()
    with pytest.raises(ValueError, match="peaks"):
        Tree(3, half.peaks)


def test_what_was_let_go_has_no_proof() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(9)]
    kept = Leaves(leaves[5:], 5, tree_of(leaves[:5]).peaks)
    with pytest.raises(ValueError, match="no proof"):
        kept.inclusion(4, 9)
    with pytest.raises(ValueError, match="no proof"):
        kept.consistency(3, 9)
    with pytest.raises(ValueError, match="let go"):
        kept._subtree(0, 2)
    assert not included(leaves[0], 9, 9, [], leaves[0])
    assert not consistent(0, 1, EMPTY, leaves[0], [])
    assert not consistent(3, 5, EMPTY, leaves[0], [])
    assert not consistent(2, 3, leaves[0], leaves[1], [leaves[0]] * 9)
    assert not included(leaves[0], 0, 2, [leaves[0]] * 9, leaves[0])
