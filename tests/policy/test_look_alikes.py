"""What a reader sees and what a lenient server reads; letter by letter for the look-alikes that are known."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import look_alikes
from gateway.policy.look_alikes import is_overcoded, plain_letters, plain_resource


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("drop_table", "drop_table"),
        ("dr\u043ep_table", "drop_table"),
        ("\u0501r\u03bf\u0440_table", "drop_table"),
        ("\u0391\u0412\u0415", "ABE"),
        ("dr\u00f6p", "drop"),
        ("dro\u0301p", "drop"),
        ("dr\u034fo\u200bp\ufe0f\u3164", "drop"),
        ("\uff44\uff52\uff4f\uff50", "drop"),
        ("\U0001d41dr\u1d0fp", "drop"),
        ("\u8aad\u3080", "\u8aad\u3080"),
    ],
)
def test_a_name_is_read_in_the_letters_that_it_shows(written: str, shown: str) -> None:
    assert plain_letters(written) == shown


def test_every_look_alike_is_one_foreign_letter_for_one_basic_one() -> None:
    letters = "".join(look_alikes._LOOK_LIKE.values())
    assert len(set(letters)) == len(letters) and not any(map(str.isascii, letters))
    assert all(len(plain) == 1 and plain.isascii() and plain.isalpha() for plain in look_alikes._LOOK_LIKE)
    assert {unicodedata.name(letter).split()[0] for letter in letters} == {"CYRILLIC", "GREEK", "ARMENIAN", "LATIN"}


@pytest.mark.parametrize(
    "spelled",
    [
        "/etc/shadow",
        "//etc///shadow",
        "/etc/sh%61dow",
        "/etc/sh%2561dow",
        "/etc%2Fshadow",
        "/etc%252525252525252525252Fshadow",
        "/etc/%25%37%33hadow",
        "/etc/sha\u200bdow",
        "/etc/sha\u034fdow\ufe0f",
        "/etc/sh\uff41dow",
        "/etc/sh%EF%BD%81dow",
        "/etc/sha%E2%80%8Bdow",
        "\uff0fetc/shadow",
        "/etc%EF%BC%8Fshadow",
    ],
)
def test_a_resource_has_one_plain_form_however_it_is_spelled(spelled: str) -> None:
    assert plain_resource(spelled) == "/etc/shadow"


@pytest.mark.parametrize("kept", ["s3://docs/a", "https://x.example/a?b=c", "/\u0435tc", "/Etc", "100%", "a%zz"])
def test_what_is_plain_already_stays(kept: str) -> None:
    assert plain_resource(kept) == kept
    assert not is_overcoded(kept)


def test_a_scheme_keeps_its_slashes() -> None:
    assert plain_resource("S3://docs//a%2F/b") == "S3://docs/a/b"


def nested(text: str, times: int) -> str:
    for _ in range(times):
        text = "".join(f"%{ord(c):02x}" for c in text)
    return text


def test_a_resource_that_is_encoded_again_and_again_is_known_for_that() -> None:
    assert plain_resource(nested("/", 3)) == "/"
    deep = plain_resource(nested("/", 10))
    assert is_overcoded(deep)


@given(st.text(max_size=60))
def test_a_plain_form_is_plain(text: str) -> None:
    plain = plain_resource(text)
    assert is_overcoded(plain) or plain_resource(plain) == plain or plain_resource(plain_resource(plain)) != ""
    assert plain_letters(plain_letters(text)) == plain_letters(text)
