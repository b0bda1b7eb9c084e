"""All that is known of one agent: numbers and names, no text, below 20 KiB, kept as JSON."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from gateway.immune import constants as k
from gateway.immune.baseline import Baseline
from gateway.immune.cusum import Rate
from gateway.immune.forms import Forms
from gateway.immune.plain_json import dumps, loads
from gateway.immune.voices import Voices

FORMAT = 2


@dataclass(slots=True)
class Learned:
    """What is usual of one voice with one model. `calls` were good ones, in `conversations` different ones."""

    calls: int = 0
    conversations: int = 0
    baselines: dict[str, Baseline] = field(default_factory=dict)


@dataclass(slots=True)
class Watched:
    """One agent. Everything is bounded, so the state stays below 20 KiB; see `constants`.

    models: by name and voice (see `spoken`), what was used last at the end. inputs: the input tokens of the latest call
    of each conversation, by conversation. rates, forms: by metric. looped: the latest conversations that went round in
    circles, and how many there were by then.
    """

    calls: int = 0
    conversations: int = 0
    models: dict[str, Learned] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    forms: dict[str, Forms] = field(default_factory=dict)
    voices: Voices = field(default_factory=Voices)
    looped: dict[str, int] = field(default_factory=dict)

    @property
    def warm(self) -> bool:
        """Whether its first calls are over; until then the fleet's caps hold."""
        return self.calls >= k.WARM_CALLS and self.conversations >= k.WARM_CONVERSATIONS or self.calls >= k.WARM_ANYWAY

    @property
    def deviation(self) -> float:
        """σ of the latest exchange, of the metric where it is furthest off."""
        return max(self.deviations.values(), key=abs, default=0.0)

    @property
    def deviations(self) -> dict[str, float]:
        """σ by metric, each of the latest exchange that had it."""
        return {metric: baseline.z for metric, baseline in self.latest.items()}

    @property
    def latest(self) -> Mapping[str, Baseline]:
        """What is usual of the model, and voice, that was used last, by metric."""
        learned = next(reversed(self.models.values()), None)
        return {} if learned is None else learned.baselines

    def voice(self, prompt: str | None) -> int:
        """Whose voice speaks with this prompt."""
        voices = self.voices
        if prompt is None or prompt == voices.last:
            return 0 if prompt is None else voices.number
        return voices.of(short(prompt), self.calls)

    def accept(self, metric: str, form: str) -> None:
        """A prompt, set of tools or model (see `changes`) that a remedy or an operator gave the agent is no change."""
        self.forms.setdefault(metric, Forms()).accept(short(form))

    def rebase(self) -> None:
        """An operator's word that what comes now is the new normal."""
        self.models.clear()
        for forms in self.forms.values():
            forms.rebase()
        self.calls = self.conversations = 0
        self.looped.clear()

    def boost(self) -> None:
        """It was healed: learn faster for a while."""
        for learned in self.models.values():
            for baseline in learned.baselines.values():
                baseline.boost()


def short(name: str) -> str:
    """What stands for a name in the state: callers choose names, and how long they are."""
    if len(name) <= k.NAME_KEPT and name.isascii():
        return name
    return "#" + hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def spoken(model: str, voice: int) -> str:
    """What stands in the state for a voice of an agent with a model, whose name there is ASCII."""
    return f"{model}{_VOICE}{voice}" if voice else model


def model_of(name: str) -> str:
    """The model of what `spoken` made."""
    return name.partition(_VOICE)[0]


def voice_of(name: str) -> int:
    """The voice of what `spoken` made."""
    return int(name.partition(_VOICE)[2] or 0)


_VOICE = "…"
_NUMBERS = tuple(Baseline.__slots__)
_numbers = attrgetter(*_NUMBERS)
_voices = attrgetter(*Voices.__slots__)


def dump(state: Watched) -> bytes:
    """The state as bytes that `load` reads; floats come back as they are."""
    document = {
        "format": FORMAT,
        "calls": state.calls,
        "conversations": state.conversations,
        "models": {
            name: [one.calls, one.conversations, {metric: _numbers(b) for metric, b in one.baselines.items()}]
            for name, one in state.models.items()
        },
        "inputs": state.inputs,
        "rates": {name: [rate.calls, rate.bad, rate.sum, rate.run] for name, rate in state.rates.items()},
        "forms": {name: [one.known, one.tried, one.warm, one.volatile] for name, one in state.forms.items()},
        "voices": _voices(state.voices),
        "looped": state.looped,
    }
    return dumps(document)


def load(data: bytes) -> Watched:
    """Raises ValueError: this is of another format, so that the agent must be learned again."""
    document: dict[str, Any] = loads(data)
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r}, not {FORMAT}")
    models = {
        name: Learned(calls, conversations, {metric: Baseline(*numbers) for metric, numbers in baselines.items()})
        for name, (calls, conversations, baselines) in document["models"].items()
    }
    return Watched(
        document["calls"],
        document["conversations"],
        models,
        document["inputs"],
        {name: Rate(*numbers) for name, numbers in document["rates"].items()},
        {name: Forms(*members) for name, members in document["forms"].items()},
        Voices(*document["voices"]),
        document["looped"],
    )
