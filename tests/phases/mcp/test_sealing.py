"""What travels through callers and comes back; sessions and rounds are tried in files of their own."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.phases.mcp.sealing import Sealing

SEALING = Sealing(b"secret", b"one")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.lists(st.text(max_size=5), max_size=3), st.binary(max_size=40))
def test_what_was_said_comes_back_for_the_same_alone(about: list[str], said: bytes) -> None:
    sealed = SEALING.seal(about, said)
    found = SEALING.open(about, sealed)
    assert found is not None and found[1] == said
    assert SEALING.open([*about, ""], sealed) is None
    assert Sealing(b"secret", b"two").open(about, sealed) is None
    assert Sealing(b"other", b"one").open(about, sealed) is None


@given(st.binary(max_size=6))
def test_no_other_last_letter_stands_for_the_same(said: bytes) -> None:
    sealed = SEALING.seal(("agt_1",), said)
    changed = {sealed[:-1] + letter for letter in LETTERS}
    assert [one for one in changed if SEALING.open(("agt_1",), one) is not None] == [sealed]


def test_what_is_not_written_as_it_was_given_out_is_not_opened() -> None:
    sealed = SEALING.seal(("agt_1",), b"said")
    for wrong in ("", "A", sealed + "=", sealed + "!", f" {sealed}", sealed[:9] + "\u00e9" + sealed[9:], sealed[:-4]):
        assert SEALING.open(("agt_1",), wrong) is None
