import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.stub_frames import Mint, fragments, frame, words


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text
    assert "".join(fragments(text)) == text


def test_words_keep_the_space_before_them() -> None:
    assert words("one two  three ") == ["one", " two", "  three", " "]
    assert words("") == []


def test_a_long_text_has_at_most_two_hundred_pieces() -> None:
    assert len(words("word " * 9_999)) <= 200
    assert len(list(fragments("x" * 100_000))) <= 200


def test_a_frame_is_one_line_of_data_and_a_blank_line() -> None:
    assert frame({"a": "\n\r\u2028"}) == ('data: {"a":"\\n\\r\u2028"}\n\n'.encode(), False)
    assert frame({}, event="ping", piece=True) == (b"event: ping\ndata: {}\n\n", True)


def test_ids_are_new_and_may_carry_a_number() -> None:
    numbers = itertools.count()
    mint = Mint(lambda: str(next(numbers)), 0)
    assert [mint.id("a_"), mint.id("a_"), mint.counted_id("b_", 7)] == ["a_0", "a_1", "b_2_7"]
