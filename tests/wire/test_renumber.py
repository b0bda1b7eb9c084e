"""Places without gaps."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.renumber import Renumber

indexes = st.lists(st.integers(0, 20), max_size=20)


@given(indexes)
def test_places_are_given_in_the_order_asked_for_without_gaps(asked: list[int]) -> None:
    renumber = Renumber(())
    places = [renumber.place(index) for index in asked]
    assert sorted(set(places)) == list(range(len(set(asked))))
    assert places == [renumber.place(index) for index in asked]


@given(st.sets(st.integers(0, 5)), indexes)
def test_what_has_left_already_keeps_its_place(kept: set[int], asked: list[int]) -> None:
    renumber = Renumber(kept)
    assert all(renumber.place(index) == index for index in kept)
    assert all(renumber.place(index) > max(kept, default=-1) for index in asked if index not in kept)
