"""What an agent is, as far as requests show it: the tools it offers and the family of its system prompt.

Two agents behind one fingerprint are told apart only where both are clearly other; what is unclear is one agent,
because an agent with a new prompt, or with more tools, is still itself. Prompts are compared by a bottom-k sketch of
keyed hashes of their words and pairs of words (Broder, "On the resemblance and containment of documents", 1997), from
which no text can be told.
"""

import enum
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.identity.prompt import lasting

MOST_FORMS = 8
"""Agents behind one fingerprint."""

_SKETCH = 64
_TEXT_LIMIT = 8_192  # characters of a prompt; its beginning tells who is meant
_TOOLS_LIMIT = 100
# What every prompt says says nothing about this one.
_COMMON = """a an and are as at be by can do for from have if in is it must never not of on or that the they this to use
with you your will when always agent assistant helpful ai"""
_COMMON_WORDS = frozenset(_COMMON.split())


class Likeness(enum.Enum):
    SAME = "enough is the same"
    OTHER = "next to nothing is the same"
    UNCLEAR = "neither, or there is nothing to compare"


@dataclass(frozen=True, slots=True)
class Form:
    """`prompt` is a sketch: the least hashes, ascending; empty for a prompt too short to say anything."""

    agent_id: str
    tools: frozenset[str]
    prompt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whose form it is: of a known one, of a new agent (None, `new`), or unclear. How much tools and prompt differ from
    the first form, from 0 to 1."""

    agent_id: str | None = None
    new: bool = False
    tools: float = 0.0
    prompt: float = 0.0


def form_of(agent_id: str, tools: Iterable[str], system: Sequence[str], key: bytes) -> Form:
    """`key` is secret, at most 64 bytes."""
    words = [word for word in lasting("\n".join(system)[:_TEXT_LIMIT]).lower().split() if word not in _COMMON_WORDS]
    shingles = {*words, *(f"{one} {two}" for one, two in zip(words, words[1:], strict=False))}
    hashes = sorted(
        int.from_bytes(hashlib.blake2b(shingle.encode("utf-8", "replace"), digest_size=6, key=key).digest(), "big")
        for shingle in shingles
    )
    return Form(
        agent_id, frozenset(sorted(set(tools))[:_TOOLS_LIMIT]), tuple(hashes[:_SKETCH]) if len(words) > 1 else ()
    )


def decide(forms: Sequence[Form], seen: Form, *, apart: bool = False) -> Decision:
    """Which of the known forms is this?

    Args:
        forms: the first one is the fingerprint's own.
        apart: an operator says that these are several agents: one clear difference is enough.
    """
    best: tuple[int, float] = (0, 0.0)
    found: str | None = None
    others = 0
    for form in forms:
        tools, prompt = _overlap(form.tools, seen.tools), _resemblance(form.prompt, seen.prompt)
        likenesses = _tools_likeness(tools), _prompt_likeness(prompt)
        differences, same = likenesses.count(Likeness.OTHER), likenesses.count(Likeness.SAME)
        if differences == 2 or (apart and differences):
            others += 1
        elif same and (same, (tools or 0.0) + (prompt or 0.0)) > best:
            best, found = (same, (tools or 0.0) + (prompt or 0.0)), form.agent_id
    if not forms:
        return Decision()
    first = forms[0]
    return Decision(
        found,
        found is None and others == len(forms) < MOST_FORMS,
        tools=1 - (_overlap(first.tools, seen.tools) or 0.0),
        prompt=1 - (_resemblance(first.prompt, seen.prompt) or 0.0),
    )


def _overlap(one: frozenset[str], two: frozenset[str]) -> float | None:
    """How much of the smaller set is in the larger one: more tools are no other tools."""
    return len(one & two) / min(len(one), len(two)) if one and two else None


def _resemblance(one: tuple[int, ...], two: tuple[int, ...]) -> float | None:
    """The Jaccard index of two texts' shingles, as their sketches estimate it."""
    if not one or not two:
        return None
    union = sorted({*one, *two})[:_SKETCH]
    both = {*one} & {*two}
    return sum(1 for value in union if value in both) / len(union)


def _tools_likeness(overlap: float | None) -> Likeness:
    if overlap is None:
        return Likeness.UNCLEAR
    return Likeness.SAME if overlap >= 0.5 else Likeness.OTHER if overlap <= 0.2 else Likeness.UNCLEAR


def _prompt_likeness(resemblance: float | None) -> Likeness:
    if resemblance is None:
        return Likeness.UNCLEAR
    return Likeness.SAME if resemblance >= 0.4 else Likeness.OTHER if resemblance <= 0.15 else Likeness.UNCLEAR
