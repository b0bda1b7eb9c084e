"""`/usage`: what was used, by agent, model, provider or team."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import invalid
from gateway.edge.admin.shapes import Written, usd
from gateway.store.usage import KEPT_DAYS, UsageLog, UsageRecord

_DAYS = 30


class ShownUsage(BaseModel):
    """`name` is null where there was none, `~other` for those past ten thousand a day."""

    name: str | None
    requests: int
    errors: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    tool_calls: int
    cost_usd: float


class UsageList(BaseModel):
    by: str
    since: date
    until: date
    items: list[ShownUsage]
    next_cursor: str | None = None


def router(log: UsageLog, *, clock: Callable[[], float]) -> APIRouter:
    """Reads only what Redis has, so any worker answers for all. `clock`: seconds since the epoch."""
    routes = APIRouter(tags=["vitals"])

    @routes.get("/usage", response_model=UsageList, dependencies=[needs("viewer")])
    async def get_usage(
        by: Literal["agent", "model", "provider", "team"] = "agent",
        since: Annotated[
            date | datetime | None, Written, Query(description="the first day (UTC); 30 days by default")
        ] = None,
        until: Annotated[
            date | datetime | None, Written, Query(description="the last day (UTC); today by default")
        ] = None,
    ) -> dict[str, Any]:
        """Whole days in UTC, both included, the most expensive first; days are kept for 400 days."""
        last = _day(until) or datetime.fromtimestamp(clock(), UTC).date()
        first = _day(since) or last - timedelta(min(_DAYS, last.toordinal()) - 1)
        if not 0 <= (last - first).days < KEPT_DAYS:
            raise invalid("query.since", f"must not be after `until`, nor {KEPT_DAYS} days or more before it")
        rows = await log.read(by, first, last)
        return {"by": by, "since": first, "until": last, "items": [_shown(row) for row in rows]}

    return routes


def _day(given: date | datetime | None) -> date | None:
    """The day in UTC of a date or a time."""
    if isinstance(given, datetime):
        try:
            return given.astimezone(UTC).date() if given.tzinfo is not None else given.date()
        except OverflowError:
            return given.date()
    return given


def _shown(row: UsageRecord) -> dict[str, Any]:
    return {
        "name": row.name,
        "requests": row.requests,
        "errors": row.errors,
        "tokens": row.input_tokens + row.output_tokens,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "tool_calls": row.tool_calls,
        "cost_usd": usd(row.cost),
    }
