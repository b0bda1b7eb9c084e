"""How many tokens a request's text will count, guessed before the provider says: rarely too few."""

_START = 2.0  # bytes a token: dense text; prose in a Latin script has about four
_FEWEST, _MOST = 0.25, 3.0
_STEP = 0.05
_RARE = 0.01
_FRAME = 8  # tokens around the text
_MODELS = 256


class InputEstimate:
    """Learns for each model how many bytes of a request a token stands for, at the 99th percentile.

    A stochastic quantile: each observation moves the figure by a small step, up seldom and down much, so that it rests
    where one request in a hundred is denser.
    """

    def __init__(self) -> None:
        self._bytes_per_token: dict[str, float] = {}

    def tokens(self, model: str | None, size: int) -> int:
        """For a request of `size` bytes."""
        return int(size / self._bytes_per_token.get(model or "", _START)) + _FRAME

    def learn(self, model: str | None, size: int, tokens: int) -> None:
        """A request of `size` bytes counted so many tokens."""
        if tokens <= 0 or size <= 0:
            return
        name = model or ""
        figure = self._bytes_per_token.get(name, _START)
        if name not in self._bytes_per_token and len(self._bytes_per_token) >= _MODELS:
            self._bytes_per_token.clear()  # callers name models: must not grow with them
        denser = size / tokens < figure
        figure *= 1 - _STEP * (1 - _RARE) if denser else 1 + _STEP * _RARE
        self._bytes_per_token[name] = min(_MOST, max(_FEWEST, figure))
