"""How many tokens a model makes of so many bytes, learned from what providers count; for where they do not say."""

from gateway.model.answer import Usage

PER_TOKEN = 4
"""Bytes, or characters, of a model that nothing is known of."""
_FEWEST_PER_TOKEN = 2
"""Denser text is rare; more tokens than that were not all written."""
_WEIGHT = 0.05
_SMALLEST = 64
"""Shorter texts say more about a provider's own frame of tokens than about the text."""
_MODELS_LIMIT = 1000


class Calibration:
    """Estimates usage per model; four bytes a token for a model it knows nothing of."""

    def __init__(self) -> None:
        # Exponentially weighted means of tokens per byte.
        self._inputs: dict[str, float] = {}
        self._outputs: dict[str, float] = {}
        # And of the tokens of an answer that no text shows.
        self._hidden: dict[str, float] = {}

    def learn(self, model: str, body_bytes: int, text_chars: int, usage: Usage) -> None:
        """Take in what a provider counted."""
        if body_bytes >= _SMALLEST and usage.input_tokens > 0:
            _learn(self._inputs, model, usage.input_tokens / body_bytes)
        hidden = _hidden(text_chars, usage)
        if hidden or model in self._hidden:
            _learn(self._hidden, model, hidden)
        said = usage.output_tokens - hidden
        if text_chars >= _SMALLEST and said > 0:
            _learn(self._outputs, model, said / text_chars)

    def estimate(self, model: str | None, body_bytes: int, text_chars: int) -> Usage:
        """What was probably used; never nothing.

        All that the model usually hides counts, also for an answer that was cut: it is thought before it is written.
        """
        hidden = int(self._hidden.get(model or "", 0))
        said = int(text_chars * _mean(self._outputs, model))
        return Usage(
            max(1, int(body_bytes * _mean(self._inputs, model))), max(1, said + hidden), reasoning_tokens=hidden
        )


def _hidden(text_chars: int, usage: Usage) -> int:
    """How many tokens no text shows, as it seems: some providers show all reasoning, some do not even count it."""
    if usage.output_tokens <= text_chars / _FEWEST_PER_TOKEN:
        return 0
    unexplained = usage.output_tokens - text_chars if text_chars >= _SMALLEST else 0
    return min(usage.output_tokens, max(usage.reasoning_tokens, unexplained))


def _learn(ratios: dict[str, float], model: str, ratio: float) -> None:
    known = ratios.get(model)
    if known is not None:
        ratios[model] = known + _WEIGHT * (ratio - known)
    elif len(ratios) < _MODELS_LIMIT:
        ratios[model] = ratio


def _mean(ratios: dict[str, float], model: str | None) -> float:
    return ratios.get(model or "", 1 / PER_TOKEN)
