"""Verdicts over bytes in memory; what can be done to files is in the tests of the spool."""

from gateway.ledger.chain import encode, leaf_hash, origin
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.frame import frame
from gateway.ledger.merkle import Tree
from gateway.ledger.verify import verify_chain
from gateway.model.audit import AuditEntry

CHAIN = "c" * 32


def chain_of(size: int) -> tuple[bytes, list[Checkpoint], list[bytes]]:
    """The bytes, the checkpoint of each size from 0, the head at each."""
    tree, heads, data = Tree(), [origin(CHAIN)], b""
    signed = [Checkpoint("leuko", CHAIN, 0, tree.root())]
    for number in range(size):
        payload = encode(number, heads[-1], AuditEntry(number, "decision", "call:model"))
        heads.append(leaf_hash(payload))
        tree.append(heads[-1])
        data += frame(payload)
        signed.append(Checkpoint("leuko", CHAIN, tree.size, tree.root()))
    return data, signed, heads


def test_a_chain_is_anchored_as_far_as_the_newest_statement_goes() -> None:
    data, signed, heads = chain_of(9)
    verdict = verify_chain(CHAIN, [(0, lambda: data)], [signed[3], signed[7]])
    assert (verdict.size, verdict.anchored, verdict.problems, verdict.head) == (9, 7, [], heads[9])
    named = verify_chain(CHAIN, [(0, lambda: data)], heads=[(8, heads[8])])
    assert (named.anchored, named.heads, named.problems) == (0, {8: heads[8]}, [])
    assert verify_chain(CHAIN, []).problems == []


def test_statements_that_do_not_agree_are_a_fork() -> None:
    data, signed, _ = chain_of(5)
    other = Checkpoint("leuko", CHAIN, 5, b"\x00" * 32)
    assert verify_chain(CHAIN, [(0, lambda: data)], [signed[3], signed[5], other]).first_bad == 5


def test_a_later_chain_that_says_otherwise_is_believed() -> None:
    data, _, heads = chain_of(5)
    assert verify_chain(CHAIN, [(0, lambda: data)], heads=[(6, heads[5])]).first_bad == 5
    assert verify_chain(CHAIN, [(0, lambda: data)], heads=[(5, heads[4])]).first_bad == 0


def test_half_a_record_is_a_problem_unless_it_is_being_written() -> None:
    data, _, _ = chain_of(5)
    assert verify_chain(CHAIN, [(0, lambda: data[:-3])]).first_bad == 4
    assert verify_chain(CHAIN, [(0, lambda: data[:-3])], live=True).problems == []
