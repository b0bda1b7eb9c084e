"""Sketches of prompts: what is alike stays alike, what is another text is another sketch."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import sketch
from gateway.identity.prompt import lasting
from gateway.identity.sketch import EMPTY, SLOTS, Sketcher
from gateway.immune import voices
from gateway.immune.constants import VOICE_LIKE
from gateway.immune.voices import likeness

KEY = b"k" * 32
made = Sketcher(KEY)
WORDS = ("alpha", "bravo", "delta", "echo", "golf", "hotel")
RULES = [f"Rule {word}: {word} comes before anything {word}ish" for word in WORDS]
CODING = (
    "You are a coding agent. Read files before you edit them, run the tests, and never commit; ask where you are "
    "not sure. Be brief. " + ". ".join(RULES) + ". "
)
WEATHER = "You forecast weather. Report temperature, wind and rain for any city; no small talk. Metric units only."


def sketched(text: str) -> str:
    return "x." + made(lasting(text).encode())


def test_a_prompt_with_changing_parts_stays_like_itself_and_another_is_not() -> None:
    draw = random.Random(1)
    for number in range(50):
        files = ", ".join(f"{draw.choice('abcdefgh')}{draw.choice('xyz')}_module" for _ in range(number % 5))
        mine = CODING + f"Today is Monday 2026-11-{number % 28:02}. You help user_{number}. Changed: {files}."
        assert likeness(sketched(CODING), sketched(mine)) >= VOICE_LIKE
        assert likeness(sketched(WEATHER), sketched(mine)) < VOICE_LIKE / 2


def test_the_order_of_its_parts_does_not_count() -> None:
    shuffled = RULES[:]
    random.Random(2).shuffle(shuffled)
    assert made((". ".join(RULES) + ".").encode()) == made((". ".join(shuffled) + ".").encode())


def test_it_estimates_how_much_is_in_both_texts() -> None:
    words, errors = [f"w{number}" for number in range(4000)], []
    for seed in range(200):
        draw = random.Random(seed)
        parts = draw.sample(words, 60)
        one, two = parts[:40], parts[20:60]  # 20 of 60 in both
        errors.append(likeness("." + made(". ".join(one).encode()), "." + made(". ".join(two).encode())) - 1 / 3)
    mean = sum(errors) / len(errors)
    assert abs(mean) < 0.03 and max(map(abs, errors)) < 0.40


def test_it_is_the_same_for_every_replica_and_another_for_every_deployment() -> None:
    text = lasting(CODING).encode()
    assert made(text) == Sketcher(KEY)(text)
    assert likeness("." + made(text), "." + Sketcher(b"other")(text)) < VOICE_LIKE


def test_makers_and_readers_agree_on_the_form() -> None:
    assert (voices.SKETCH, voices._EMPTY) == (sketch.SLOTS, sketch.EMPTY)


@given(st.binary(max_size=3000))
def test_anything_has_a_sketch(text: bytes) -> None:
    found = made(text)
    assert len(found) == SLOTS and found.isascii()
    assert likeness("." + found, "." + found) == (0.0 if set(found) == {EMPTY} else 1.0)
