"""Whether a value stands in a text as a whole token."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.tokens import elements, folded, grams, stands, traits

STANDS = [
    ("bob@example.com", "Send it to bob@example.com."),
    ("bob@example.com", "Send it to <bob@example.com>, please"),
    ("bob@example.com", "to:bob@example.com"),
    ("bob@example.com", "mailto=bob@example.com!"),
    ("bob@example.com", "a@example.com,bob@example.com;c@example.com"),
    ("Bob Miller", "write to bob   miller?"),
    ("https://example.com/a?b=c", "read https://example.com/a?b=c: all of it"),
    ("https://example.com/a", "see [this](https://example.com/a)."),
    ("DE89 3704", "iban de89\n3704"),
    ("1234", "ticket #1234"),
    ("alice", "ask @alice."),
    ("5000", '{"amount":5000}'),
    ("5000", "pay $5000!"),
    ("alice", "alice's account"),
    ("ｂob@example.com", "bob@example.com"),
    ("bob@exam\u200bple.com", "bob@example.com"),
    ("bob@example.com", "请发给bob@example.com谢谢"),
    ("张三李四", "请联系张三李四吧"),
    ("restart the web", "Please **restart the web**"),
    ("report", "report..."),
]
STANDS_NOT = [
    ("evil.com", "notevil.com"),
    ("evil.com", "evil.com.example.net"),
    ("evil.com", "https://evil.com/x"),
    ("evil.com", "https://good.com/?next=evil.com"),
    ("//evil.com/x", "see /a:b/c=//evil.com/x"),
    ("https://example.com", "https://example.com/delete"),
    ("/home", "/home/user"),
    ("5000", "15000"),
    ("5000", "5000.50"),
    ("alice", "bob@alice"),
    ("alice", "bob@alice.com"),
    ("home", "a$home"),
    ("bob@example.com", "Send it"),
    ("rm -rf /", "rm -rf /tmp"),
]


@pytest.mark.parametrize(("value", "text"), STANDS)
def test_a_whole_token_stands(value: str, text: str) -> None:
    assert stands(folded(value), folded(text), if_tired=False)


@pytest.mark.parametrize(("value", "text"), STANDS_NOT)
def test_a_part_of_a_token_does_not(value: str, text: str) -> None:
    assert not stands(folded(value), folded(text), if_tired=False)


def test_a_later_place_counts_too() -> None:
    assert stands("evil.com", "notevil.com evil.com", if_tired=False)


@pytest.mark.parametrize("if_tired", [True, False])
def test_a_value_in_very_many_wrong_places_is_given_up(if_tired: bool) -> None:
    text = "x".join(["evil"] * 10_000)
    assert stands("evil", text, if_tired=if_tired) is if_tired


@given(st.text(min_size=4, max_size=20), st.text(max_size=30), st.text(max_size=30))
def test_a_value_between_spaces_always_stands(value: str, before: str, after: str) -> None:
    value = folded(value)
    if len(value) >= 4:
        assert stands(value, folded(f"{before} {value} {after}"), if_tired=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EU, US and UK", {"eu", "us", "uk"}),
        ("- eu\n- us\n* 42\n3) uk", {"eu", "us", "42", "uk"}),
        ("regions: eu; us | uk", {"eu", "us", "uk"}),
        ('{"id": "42", "of": ["a1", "b2"]}', {"42", "a1", "b2"}),
        ("42", {"42"}),
        ("restart web now", set()),
        ("web " * 40, set()),
        ("four, five, ok", {"ok"}),
        ("\ufdfa, ok", {"ok"}),
    ],
)
def test_the_elements_of_lists(text: str, expected: set[str]) -> None:
    assert elements(text) == expected


def test_elements_are_bounded() -> None:
    many = "\n".join(",".join(f"{chr(97 + i % 26)}{j % 10}{i % 10}" for j in range(100)) for i in range(3000))
    assert len(elements(many)) < 30_000
    wide = "\n".join(chr(0x4E00 + number % 20_000) + chr(0x4E00 + number // 7) for number in range(70_000))
    assert len(elements(wide)) < 30_000


@pytest.mark.parametrize(("value", "text"), [*STANDS, *[(value, f"say {value} now") for value, _ in STANDS_NOT]])
def test_a_text_is_recognised_by_whatever_stands_in_it(value: str, text: str) -> None:
    assert traits(folded(value)) <= grams(folded(text))


def test_short_values_have_no_traits() -> None:
    assert traits("web") == set() and traits("") == set()
    assert traits("go on and on") == {"go on", "on and", "and on"}


def test_long_texts_take_time_in_proportion() -> None:
    began = time.process_time()
    text = folded("word, " * 200_000 + "évil " * 50_000)
    assert not stands("evil.com", text, if_tired=True)
    assert not stands("word, word, no", text, if_tired=False)
    grams(text)
    assert time.process_time() - began < 20
