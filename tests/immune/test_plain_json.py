from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.finding import Finding
from gateway.immune.plain_json import dumps, loads

TEXTS = st.text(st.characters(codec=None), max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(DOCUMENTS)
def test_every_document_comes_back_as_it_was(document: object) -> None:
    assert loads(dumps(document)) == document


@given(TEXTS)
def test_a_dataclass_is_an_object_of_its_members(name: str) -> None:
    finding = Finding("drift", name, 1.5, 2.0, "agt_1", "req_1", detail={name: [name]})
    assert loads(dumps([1, finding])) == [1, asdict(finding)]


@pytest.mark.parametrize("data", (b"", b"{", b"\xff", b"[1", b"nul"))
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        loads(data)
