"""How providers did lately, as one worker saw it. Pure: time is an argument."""

from collections import deque
from collections.abc import Sequence
from statistics import median_high
from typing import Any

WINDOW = 300.0
"""Seconds that count as lately."""
_CALLS = 500
_PROVIDERS = 200


_Call = tuple[float, float, float | None, bool, bool]
"""When, latency and first byte in ms, whether it failed or was limited. Plain: one is made for each exchange."""


class RecentCalls:
    """Takes one line an exchange; the last 500 of each provider are kept."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[_Call]] = {}

    def add(
        self, provider: str, at: float, latency_ms: float, first_byte_ms: float | None, failed: bool, limited: bool
    ) -> None:
        """An exchange that was sent to a provider. `at`: seconds of any clock, which `read` uses too."""
        calls = self._calls.get(provider)
        if calls is None:
            if len(self._calls) >= _PROVIDERS:
                return
            calls = self._calls[provider] = deque(maxlen=_CALLS)
        calls.append((at, latency_ms, first_byte_ms, failed, limited))

    def read(self, now: float) -> dict[str, dict[str, Any]]:
        """Of each provider that was asked within `WINDOW`: `calls`, how many of them `failed` and were `limited` (429),
        and the medians `latency_ms` and `first_byte_ms` of those that did not fail, None if all did."""
        found = {}
        for provider, calls in self._calls.items():
            lately = [call for call in calls if call[0] > now - WINDOW]
            if not lately:
                continue
            well = [(latency, first) for _, latency, first, failed, limited in lately if not failed and not limited]
            found[provider] = {
                "calls": len(lately),
                "failed": sum(failed for *_, failed, _ in lately),
                "limited": sum(limited for *_, limited in lately),
                "latency_ms": _median([latency for latency, _ in well]),
                "first_byte_ms": _median([first for _, first in well if first is not None]),
            }
        return found


def _median(values: Sequence[float]) -> float | None:
    return round(median_high(values), 1) if values else None
