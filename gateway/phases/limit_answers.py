"""What callers are told of limits and budgets: headers and refusals."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.policy.bounds import NANO
from gateway.policy.claim import Claim
from gateway.policy.plan import Holding

_RATES = ("requests", "tokens")
_NAMES = {
    measure: tuple(f"x-ratelimit-{part}-{measure}".encode() for part in ("limit", "remaining", "reset"))
    for measure in _RATES
}
_UNITS = {"requests": "requests", "tokens": "tokens", "tool_calls": "tool calls", "usd": "USD"}


def rate_headers(claims: Sequence[Claim], left: Sequence[int]) -> Headers:
    """`x-ratelimit-*` of the tightest bound a minute, as OpenAI writes them.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    tightest: dict[str, tuple[int, int]] = {}
    for claim, rest in zip(claims, left, strict=True):
        kind = claim.bound.kind
        if kind.span == "minute":
            known = tightest.get(kind.measure)
            if known is None or rest < known[0]:
                tightest[kind.measure] = rest, claim.bound.most
    headers: Headers = []
    for measure in _RATES:
        if measure in tightest:
            rest, most = tightest[measure]
            headers += _rate(measure, most, rest, b"1m0s")  # what was just counted leaves the minute last
    return headers


def refused_headers(claim: Claim, used: int, wait: float) -> Headers:
    """The same where that bound has no room."""
    kind = claim.bound.kind
    if kind.span != "minute" or kind.measure not in _RATES:
        return []
    return _rate(kind.measure, claim.bound.most, claim.bound.most - used, b"%.3fs" % wait)


def refusal_of(claim: Claim, used: int, now: float, wait: float) -> Refusal:
    """Why a bound has no room, and when that changes.

    Args:
        used: what the bound counts. now: seconds since the epoch. wait: seconds, 0 where time alone does not say.
    """
    bound, kind = claim.bound, claim.bound.kind
    section = "budgets" if bound.budget else "limits"
    where = f"{bound.name} is {bound.shown} (rule {claim.document}/{section}/{bound.name})"
    if bound.budget:
        spent = f"{used / NANO:.6g}" if kind.measure == "usd" else str(used)
        message = f"Budget exceeded: {where}, {spent} are used, and this request needs more than is left. "
        return Refusal("budget_exceeded", message + _reset(claim, now))
    if kind.span == "now":
        message = f"Too many requests at a time: {where}, and so many are under way."
        return Refusal("rate_limit_exceeded", message, retry_after=1)
    if claim.amount(0) > bound.most:
        message = f"Request too large: {where}, and it needs {claim.amount(0)} {_UNITS[kind.measure]}."
        return Refusal("rate_limit_exceeded", message, retry=False, retry_after=60)
    seconds = min(60, max(1, math.ceil(wait)))
    return Refusal(
        "rate_limit_exceeded", f"Rate limit reached: {where}. Try again in {seconds} s.", retry_after=seconds
    )


def throttled(claim: Claim, wait: float, why: str) -> Refusal:
    """Why an agent that is slowed down to heal it has to wait. `why` names the cause or the incident."""
    bound, rule = claim.bound, f"{claim.document}/limits/{claim.bound.name}"
    seconds = min(60, max(1, math.ceil(wait)))
    many = "at a time, and so many are under way" if bound.kind.span == "now" else "a minute, and so many were made"
    requests = "request" if bound.most == 1 else "requests"
    message = f"The agent is throttled: {why}. It may make {bound.shown} {requests} {many} (rule {rule})."
    return Refusal("rate_limit_exceeded", f"{message} Try again in {seconds} s.", retry_after=seconds)


def unpriceable(holding: Holding, what: str, *, param: str | None = None) -> Refusal:
    """A budget holds, and what would be charged to it is not known."""
    rule = f"{holding.document}/budgets/{holding.bound.name}"
    return Refusal("budget_exceeded", f"A budget holds (rule {rule}), and {what} is not known.", param=param)


def _reset(claim: Claim, now: float) -> str:
    span = claim.bound.kind.span
    if span == "conversation":
        return "It holds for the whole conversation."
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    following = day + timedelta(days=1) if span == "day" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"It resets at {following:%Y-%m-%dT%H:%M:%SZ}."


def _rate(measure: str, most: int, left: int, reset: bytes) -> Headers:
    limit, remaining, resets = _NAMES[measure]
    return [(limit, b"%d" % most), (remaining, b"%d" % max(0, left)), (resets, reset)]
