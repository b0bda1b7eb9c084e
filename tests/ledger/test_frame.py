"""Frames: what is written is read, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.frame import HEADER, MAX_PAYLOAD, Damaged, frame, frames


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
def test_what_is_written_is_read(payloads: list[bytes]) -> None:
    data = b"".join(map(frame, payloads))
    found = list(frames(data))
    assert [f.payload for f in found] == payloads
    assert data[found[-1].start : found[-1].end] == frame(payloads[-1]) if found else data == b""


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4), st.data())
def test_a_write_that_was_cut_anywhere_is_torn_where_it_began(payloads: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, payloads))
    start = len(whole) - len(frame(payloads[-1]))
    cut = data.draw(st.integers(start + 1, len(whole) - 1))
    found = []
    with pytest.raises(Damaged) as damage:
        found.extend(frames(whole[:cut]))
    assert damage.value.torn
    assert damage.value.offset == start


def test_damage_in_the_middle_is_no_torn_write() -> None:
    data = bytearray(frame(b"one") + frame(b"two"))
    data[HEADER.size] ^= 1
    with pytest.raises(Damaged, match="checksum") as damage:
        list(frames(bytes(data)))
    assert not damage.value.torn


def test_a_record_has_a_size_within_bounds() -> None:
    for payload in (b"", b"x" * (MAX_PAYLOAD + 1)):
        with pytest.raises(ValueError, match="a record of"):
            frame(payload)
    with pytest.raises(Damaged, match="a length of 0"):
        list(frames(HEADER.pack(0, 0)))
