"""How many tokens a model makes of so many bytes, learned from what providers count; for where they do not say."""

from dataclasses import dataclass

from gateway.model.answer import Usage

_PER_TOKEN = 4
_WEIGHT = 0.05
_SMALLEST = 64
"""Shorter texts say more about a provider's own frame of tokens than about the text."""
_MODELS_LIMIT = 1000
_P99 = 2.33


@dataclass(slots=True)
class _Ratio:
    """An exponentially weighted mean of tokens per byte, and their variance around it."""

    mean: float
    variance: float = 0.0

    def learn(self, ratio: float) -> None:
        step = ratio - self.mean
        self.mean += _WEIGHT * step
        self.variance = (1 - _WEIGHT) * (self.variance + _WEIGHT * step * step)


class Calibration:
    """Estimates usage per model; four bytes a token for a model it knows nothing of."""

    def __init__(self) -> None:
        self._inputs: dict[str, _Ratio] = {}
        self._outputs: dict[str, _Ratio] = {}

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

    def input_tokens_at_most(self, model: str | None, body_bytes: int) -> int:
        """What 99 of 100 requests of this size do not exceed."""
        ratio = self._inputs.get(model or "")
        if ratio is None:
            return max(1, body_bytes // 2)
        return max(1, int(body_bytes * (ratio.mean + _P99 * ratio.variance**0.5)))


def _learn(ratios: dict[str, _Ratio], model: str, ratio: float) -> None:
    known = ratios.get(model)
    if known is not None:
        known.learn(ratio)
    elif len(ratios) < _MODELS_LIMIT:
        ratios[model] = _Ratio(ratio)


def _mean(ratios: dict[str, _Ratio], model: str | None) -> float:
    known = ratios.get(model or "")
    return 1 / _PER_TOKEN if known is None else known.mean
