"""An agent and its helpers are told apart by their prompts, though these change in parts."""

import json
import random
from typing import Any

import pytest

from gateway.identity.sketch import Sketcher
from gateway.immune import constants as k
from gateway.immune.state import Watched, model_of, spoken, voice_of
from gateway.immune.voices import OTHERS, Voices, likeness
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange

made = Sketcher(b"k" * 32)
KINDS = ("main", "title", "explore", "plan", "build", "review", "web", "report", "other", "last", "least")


def prompt(kind: str, variant: int = 0, changing: int = 3) -> str:
    """As the hash of a prompt of thirty sentences, `changing` of which are others each time."""
    draw = random.Random(f"{kind} {variant}")
    lasting = [f"{kind} sentence {number}" for number in range(30 - changing)]
    text = ". ".join([*lasting, *(f"{draw.random()}" for _ in range(changing))])
    return f"{draw.getrandbits(60):015x}.{made(text.encode())}"


def test_a_prompt_with_changing_parts_is_one_voice_and_another_prompt_another() -> None:
    voices = Voices()
    heard = [voices.of(prompt(KINDS[n % 4], n), n) for n in range(400)]
    assert sum(number != (0, 2, 3, 4)[n % 4] for n, number in enumerate(heard)) <= 4
    assert len(voices.numbers) <= k.VOICE_PROMPTS and len(voices.kept) <= k.VOICES_KEPT


def test_prompts_without_a_sketch_are_compared_to_the_letter() -> None:
    voices = Voices()
    assert [voices.of(one, 0) for one in ("p", "q", "p", "sha256:00", "q")] == [0, 2, 0, 3, 2]
    assert likeness("p", "p") == likeness("a." + "." * 24, "a." + "." * 24) == 0.0


def test_more_voices_than_are_told_apart_are_one() -> None:
    voices = Voices()
    heard = [voices.of(f"prompt {n}", n) for n in range(100)]
    assert heard == [0, *range(2, k.VOICES_KEPT + 1), *[OTHERS] * (100 - k.VOICES_KEPT)]


def test_a_voice_that_was_silent_for_long_makes_room() -> None:
    voices = Voices()
    for n, kind in enumerate(KINDS[: k.VOICES_KEPT]):
        assert voices.of(prompt(kind), n) == (n and n + 1)
    for n in range(k.VOICES_KEPT, k.VOICE_FORGOTTEN + 1):
        voices.of(prompt(KINDS[n % 2]), n)
    later = k.VOICE_FORGOTTEN + 3
    assert voices.of(prompt("other"), later) == k.VOICES_KEPT + 1
    assert len(voices.kept) == k.VOICES_KEPT
    assert [voices.of(prompt(kind), later) for kind in KINDS[:2]] == [0, 2]


def test_names_in_the_state_say_model_and_voice() -> None:
    assert (model_of(spoken("m", 0)), voice_of(spoken("m", 0))) == ("m", 0)
    assert (model_of(spoken("m", 12)), voice_of(spoken("m", 12))) == ("m", 12)


def test_however_many_voices_take_turns_each_call_is_judged() -> None:
    """As of an agent for ten users, each of whom has a prompt that is like no other."""
    state = Watched()
    for n in range(600):
        watch(state, exchange(n, prompt_hash=prompt(KINDS[n % 10]), conversation=f"talk {n // 40} {n % 10}", turn=1))
    assert all(one.baselines["output"].sample is None for one in state.models.values())
    for n in range(10):
        large = {"conversation": f"new {n}", "turn": 1, "output_tokens": 90_000}
        found = watch(state, exchange(n, prompt_hash=prompt(KINDS[n]), **large))
        assert "output" in {one.metric for one in found}, n


def run(state: Watched, calls: int, start: int = 0, **other: Any) -> list[str]:
    return [one.metric for n in range(start, start + calls) for one in watch(state, exchange(n, **other))]


def test_each_voice_is_judged_by_what_is_usual_of_it() -> None:
    state = Watched()
    for n in range(200):
        small = n % 2 == 0
        one = exchange(n, prompt_hash=prompt("title" if small else "main", n))
        size = {"conversation": f"t{n}", "turn": 1, "output_tokens": 20} if small else {"output_tokens": 900 + n % 7}
        assert not watch(state, exchange(n, prompt_hash=one.prompt_hash, **size)), n
    large = {"conversation": "x", "turn": 1, "output_tokens": 900}
    assert "output" in run(state, 8, 200, prompt_hash=prompt("title"), **large)
    assert "output" not in run(state, 8, 208, prompt_hash=prompt("main"), output_tokens=900)


@pytest.mark.parametrize("changing", [1, 3, 6, 9])
def test_of_an_agent_whose_prompts_are_never_the_same_another_prompt_is_found(changing: int) -> None:
    state = Watched()
    told = [run(state, 1, n, prompt_hash=prompt("main", n, changing)) for n in range(300)]
    assert state.forms["prompt"].volatile and not state.forms["voice"].volatile
    assert sum("prompt" in one for one in told) == 0
    replaced = [run(state, 1, 300 + n, prompt_hash=prompt("attack", n, changing)) for n in range(30)]
    assert ["prompt" in one for one in replaced[:3]] == [False, True, True]
    assert sum("prompt" in one for one in replaced) == 8  # then it is how the agent is


@pytest.mark.exhaustive
def test_honest_changes_of_prompts_that_are_never_the_same_are_hardly_ever_found() -> None:
    """A third of all sentences change with each call: two prompts have half of what they say in common."""
    told = calls = 0
    for seed in range(20):
        state = Watched()
        for n in range(250):
            told += any(
                one.metric == "prompt" for one in watch(state, exchange(n, prompt_hash=prompt(f"agent {seed}", n, 10)))
            )
            calls += 1
    print(f"{told} of {calls} calls")
    assert told / calls <= 0.004


def test_where_every_prompt_is_another_one_nothing_is_compared() -> None:
    state = Watched()
    assert not any("prompt" in run(state, 1, n, prompt_hash=prompt(f"kind {n}")) for n in range(200))
    assert state.forms["voice"].volatile
    assert json.loads(json.dumps(list(state.models))) == list(state.models)
