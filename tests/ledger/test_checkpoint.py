"""Statements about a chain keep their one form."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.chain import leaf_hash
from gateway.ledger.checkpoint import open_checkpoint, open_trimming, sign_checkpoint, sign_trimming
from gateway.ledger.merkle import Tree
from gateway.ledger.note import NotSigned, Signer

SIGNER = Signer("leuko", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEY = SIGNER.public_key


def tree_of(size: int) -> Tree:
    tree = Tree()
    for number in range(size):
        tree.append(leaf_hash(b"%d" % number))
    return tree


@pytest.mark.parametrize("final", [False, True])
def test_a_checkpoint_says_size_and_root(final: bool) -> None:
    note = sign_checkpoint(SIGNER, "c" * 32, tree_of(5), final=final)
    assert note.startswith(f"leuko/{'c' * 32}\n5\n")
    found = open_checkpoint(note, "leuko", KEY)
    assert (found.chain, found.size, found.root, found.final) == ("c" * 32, 5, tree_of(5).root(), final)


def test_a_trimming_lets_the_tree_go_on() -> None:
    found = open_trimming(sign_trimming(SIGNER, "c" * 32, tree_of(13), leaf_hash(b"12")), "leuko", KEY)
    assert (found.chain, found.first, found.head) == ("c" * 32, 13, leaf_hash(b"12"))
    assert found.tree().root() == tree_of(13).root()


ROOT = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    ["\n", "leuko/c\n1\n", "leuko/c\n01\n" + ROOT + "\n", "leuko/c\n-1\n" + ROOT + "\n", "leuko/c\n1\nAAAA\n",
     "else/c\n1\n" + ROOT + "\n", "leuko/c\n1\n" + ROOT + "\nmore\n", "leuko/c\n1\n!\n"],
)  # fmt: skip
def test_another_signed_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NotSigned):
        open_checkpoint(SIGNER.sign(text), "leuko", KEY)


@pytest.mark.parametrize(
    "text",
    ["\n", f"leuko trimming\nleuko/c\n1\n{ROOT}\n", f"leuko trimming\nelse/c\n0\n{ROOT}\n", f"x\nleuko/c\n0\n{ROOT}\n"],
)
def test_another_signed_text_is_no_trimming(text: str) -> None:
    with pytest.raises(NotSigned):
        open_trimming(SIGNER.sign(text), "leuko", KEY)
    with pytest.raises(NotSigned):
        open_trimming(sign_checkpoint(SIGNER, "c" * 32, tree_of(2)), "leuko", KEY)
