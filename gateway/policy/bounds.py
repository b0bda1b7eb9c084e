"""What `limits:` and `budgets:` may bound, and in which units.

A bound counts one measure (requests, tokens, tool calls, nanodollars) over one span: a sliding minute, a calendar day
or month in UTC, a conversation, or right now.
"""

from dataclasses import dataclass
from typing import Literal

Measure = Literal["requests", "tokens", "tool_calls", "usd"]
Span = Literal["minute", "now", "day", "month", "conversation"]

NANO = 1_000_000_000
"""Nanodollars in a dollar: money is counted in integers, so that sums never drift."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a member of `limits:` or `budgets:` means."""

    measure: Measure
    span: Span


LIMITS: dict[str, Kind] = {
    "requests_per_minute": Kind("requests", "minute"),
    "tokens_per_minute": Kind("tokens", "minute"),
    "tool_calls_per_minute": Kind("tool_calls", "minute"),
    "concurrent": Kind("requests", "now"),
}
BUDGETS: dict[str, Kind] = {
    "tokens_per_day": Kind("tokens", "day"),
    "tokens_per_month": Kind("tokens", "month"),
    "usd_per_day": Kind("usd", "day"),
    "usd_per_month": Kind("usd", "month"),
    "tool_calls_per_conversation": Kind("tool_calls", "conversation"),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One member of a document. `most` is in the measure's unit; `budget` tells budgets from limits."""

    name: str
    kind: Kind
    most: int
    budget: bool

    @property
    def shown(self) -> str:
        """`most` as it was written."""
        return f"{self.most / NANO:g} USD" if self.kind.measure == "usd" else str(self.most)
