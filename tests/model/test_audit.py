"""The two names of a decision."""

import pytest

from gateway.model.audit import decision_id, entry_of


def test_a_decision_is_named_after_its_entry() -> None:
    chain = "0af3" * 8
    assert decision_id(f"{chain}/12") == f"dec_{chain}_12"
    assert entry_of(decision_id(f"{chain}/12")) == (chain, 12)


@pytest.mark.parametrize("text", ["", "dec_", "dec_0af3", "dec_0af3_x", "inc_0af3_1", "dec_a_b_1", "0af3/12"])
def test_what_is_no_decisions_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        entry_of(text)
