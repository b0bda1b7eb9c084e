"""Shapes that the nouns share."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.edge.admin.shapes import Body, Text, Time, rfc3339

TEXT = TypeAdapter(Text)


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "a\x00", "\x7f", "\ud800", "a\x85", "a\u2028b"])
def test_a_text_is_printable_and_not_endless(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


@pytest.mark.parametrize("text", [" ", " " * 200, "\u00a0\u3000", "\u200b", "\u2060\ufeff", "\u3164"])
def test_a_text_shows_something(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


@pytest.mark.parametrize("control", "\u061c\u200e\u200f\u202a\u202d\u202e\u2066\u2069")
def test_a_text_turns_no_other_text_around(control: str) -> None:
    for text in (control, f"bill{control}gni", f"{control}x"):
        with pytest.raises(ValidationError):
            TEXT.validate_python(text)


@pytest.mark.parametrize("text", [" größer ✓ ", "x", "שלום", "مرحبا", "👩\u200d💻", "名前", "a b"])
def test_other_texts_are_taken_as_they_are(text: str) -> None:
    assert TEXT.validate_python(text) == text


def test_unknown_members_are_an_error() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Body.model_validate({"anything": 1})


def test_times_are_utc_in_milliseconds() -> None:
    assert rfc3339(1795200274.875) == "2026-11-20T18:44:34.875Z"


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2026-11-20T18:44:34Z", "2026-11-20T18:44:34.000Z"),
        ("2026-11-20T18:44:34.5+02:00", "2026-11-20T16:44:34.500Z"),
        ("2026-11-20T18:44:34", "2026-11-20T18:44:34.000Z"),
        ("2026-11-20", "2026-11-20T00:00:00.000Z"),
    ],
)
def test_a_time_without_an_offset_is_utc_and_a_date_is_its_midnight(given: str, time: str) -> None:
    assert rfc3339(TypeAdapter(Time).validate_python(given).timestamp()) == time


@pytest.mark.parametrize("given", ["yesterday", "1795200274", 1795200274, "", "2026-13-01", None])
def test_nothing_else_is_a_time(given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python(given)
