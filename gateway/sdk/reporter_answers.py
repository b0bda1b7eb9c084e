"""What becomes of a batch of vitals by the gateway's answer to it: nothing is counted twice, nothing tried for ever."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.sdk.calls import Answer, Failure

Batch = list[dict[str, Any]]

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_WRONG_KEY_WAIT = 60.0
_APART = 2  # what is wrong in itself, then what the gateway cannot place
_PLACE = re.compile(r"\.(\d{1,4})(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Next:
    """`again`: to be sent now, each by itself; `later`: to be sent after `wait` seconds, during which nothing else is;
    `lost`: how many are given up, and `why`."""

    again: tuple[Batch, ...] = ()
    later: Batch | None = None
    wait: float = 0.0
    lost: int = 0
    why: str = ""


def after(batch: Batch, came: Answer | Failure, failures: int, *, apart: int = 0) -> Next:
    """What to do next.

    Args:
        failures: how many batches before this one had to wait, without one that was taken between.
        apart: how often it was taken apart already.
    """
    if isinstance(came, Failure):
        if came.sent:  # it may have been taken, and an exchange counted twice is worse than one missing
            return Next(wait=_backoff(failures), lost=len(batch), why=came.reason)
        return Next(later=batch, wait=_backoff(failures))
    status = came.status
    if 200 <= status < 300:
        return Next()
    if status in (408, 425, 429) or status >= 500:
        return Next(later=batch, wait=_told(came.retry_after, _backoff(failures)))
    why = f"status {status}: {_detail(came.body)}"
    if status == 401:
        return Next(wait=_WRONG_KEY_WAIT, lost=len(batch), why=why)
    parts = tuple(_parts(batch, status, came.body)) if apart < _APART else ()
    return Next(again=parts, lost=len(batch) - sum(map(len, parts)), why=why)


def _parts(batch: Batch, status: int, body: bytes) -> Iterator[Batch]:
    """What may be taken when it comes without what this was refused for."""
    if status == 413 and len(batch) > 1:
        yield from (batch[: len(batch) // 2], batch[len(batch) // 2 :])
    elif status == 422:
        wrong = dict(_places(body))
        # A clock that goes ahead or behind spoils every time it gives; the gateway's own is as good.
        timed = not any(wrong.values())
        kept = [
            one if timed else _without_time(one) for place, one in enumerate(batch) if wrong.get(place) is not False
        ]
        if wrong and kept:
            yield kept
    elif status in (403, 404, 409):  # about one agent
        agents: dict[tuple[Any, Any], Batch] = {}
        for one in batch:
            agents.setdefault((one.get("agent_id"), one.get("name")), []).append(one)
        if len(agents) > 1:
            yield from agents.values()


def _without_time(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != "time"}


def _places(body: bytes) -> Iterator[tuple[int, bool]]:
    """The place in the batch of each that is wrong, and whether its time is what is wrong."""
    for error in _problem(body).get("errors") or ():
        field = error.get("field") if isinstance(error, dict) else None
        found = _PLACE.search(field) if isinstance(field, str) else None
        if found is not None:
            yield int(found[1]), str(field).endswith(".time")


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _detail(body: bytes) -> str:
    found = _problem(body).get("detail")
    return found[:300] if isinstance(found, str) else "no reason was given"


def _told(header: str | None, otherwise: float) -> float:
    """Seconds to wait; the gateway says whole ones (RFC 9110 section 10.2.3), never a date."""
    return float(header[:6]) if header is not None and header.isascii() and header.isdigit() else otherwise


def _backoff(failures: int) -> float:
    return random.uniform(0.5, 1.0) * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 10))
