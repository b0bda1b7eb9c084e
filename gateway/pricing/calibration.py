"""How many tokens a model makes of so many bytes, learned from what providers count; for where they do not say."""

from gateway.model.answer import Usage

_PER_TOKEN = 4
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

    def learn(self, model: str, body_bytes: int, text_chars: int, usage: Usage) -> None:
        """Take in what a provider counted. Reasoning tokens have no text that could be seen."""
        if body_bytes >= _SMALLEST and usage.input_tokens > 0:
            _learn(self._inputs, model, usage.input_tokens / body_bytes)
        said = usage.output_tokens - usage.reasoning_tokens
        if text_chars >= _SMALLEST and said > 0:
            _learn(self._outputs, model, said / text_chars)

    def estimate(self, model: str | None, body_bytes: int, text_chars: int) -> Usage:
        """What was probably used; never nothing."""
        return Usage(
            max(1, int(body_bytes * _mean(self._inputs, model))), max(1, int(text_chars * _mean(self._outputs, model)))
        )


def _learn(ratios: dict[str, float], model: str, ratio: float) -> None:
    known = ratios.get(model)
    if known is not None:
        ratios[model] = known + _WEIGHT * (ratio - known)
    elif len(ratios) < _MODELS_LIMIT:
        ratios[model] = ratio


def _mean(ratios: dict[str, float], model: str | None) -> float:
    return ratios.get(model or "", 1 / _PER_TOKEN)
