"""Signed notes, against the example of their specification and against damage."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.note import NotSigned, Signer, key_id, open_note, read_verifier_key, verifier_key

# From https://pkg.go.dev/golang.org/x/mod/sumdb/note, where the form comes from.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SIGNER = Signer("leuko", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_the_example_of_the_specification_is_read() -> None:
    name, key = read_verifier_key(PETER)
    assert open_note(NOTE, name, key) == NOTE.partition("\n\n")[0] + "\n"
    assert verifier_key(name, key) == PETER


def test_a_note_is_read_by_its_own_key_only() -> None:
    note = SIGNER.sign("text\n")
    assert open_note(note, "leuko", SIGNER.public_key) == "text\n"
    other = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).public_key()
    for name, key in (("leuko", other), ("else", SIGNER.public_key)):
        with pytest.raises(NotSigned, match="no signature"):
            open_note(note, name, key)
    assert key_id("a", other) != key_id("b", other)


def test_further_signatures_do_no_harm() -> None:
    note = SIGNER.sign("text\n")
    head, line = note[: note.index("\u2014")], note[note.index("\u2014") :]
    witness = "\u2014 witness AAAAAAAA\n\u2014 broken !\n"
    assert open_note(head + witness + line, "leuko", SIGNER.public_key) == "text\n"


def test_no_bit_of_a_note_can_change() -> None:
    note = SIGNER.sign("text\nof two lines\n").encode()
    for at in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[at] ^= 1 << bit
            with pytest.raises(NotSigned):
                open_note(changed.decode("utf-8", "replace"), "leuko", SIGNER.public_key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a/b"])
def test_a_name_that_would_break_the_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Signer(name, Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.mark.parametrize("text", ["", "a+b", "leuko+00000000+" + PETER.split("+")[2], PETER.replace("+A", "+B")])
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a verifier key"):
        read_verifier_key(text)
