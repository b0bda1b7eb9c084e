"""Shapes that the nouns share."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.edge.admin.shapes import Body, Text, rfc3339

TEXT = TypeAdapter(Text)


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "a\x00", "\x7f", "\ud800"])
def test_a_text_is_printable_and_not_endless(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


def test_other_texts_are_taken_as_they_are() -> None:
    assert TEXT.validate_python(" größer ✓ ") == " größer ✓ "


def test_unknown_members_are_an_error() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Body.model_validate({"anything": 1})


def test_times_are_utc_in_milliseconds() -> None:
    assert rfc3339(1795200274.875) == "2026-11-20T18:44:34.875Z"
