"""How providers do just now: each worker says what it sees, and any can read what all see."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.vitals import plain

_INTERVAL = 3.0
_COUNTS_MS = 15_000  # a worker that has not said anything for so long is gone
_WORST = ("open", "probing", "ramping")
_CIRCUITS = 50  # of one provider: callers choose the names of models

Seen = tuple[Mapping[str, Mapping[str, Any]], Sequence[tuple[str, str | None, str, float]]]
"""What this worker sees: numbers by provider as `Health` has them, and (provider, model, state, seconds) of circuits
that are not closed."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """One that is not closed. `seconds` until the next probe, at the worker where that takes longest; `workers`: how
    many see it so."""

    model: str | None
    state: str
    seconds: float
    workers: int


@dataclass(frozen=True, slots=True)
class Health:
    """Of the last minutes, over all workers. The latencies are their medians, weighed by their calls; None where no
    call went well."""

    calls: int = 0
    failed: int = 0
    limited: int = 0
    latency_ms: float | None = None
    first_byte_ms: float | None = None
    circuits: tuple[Circuit, ...] = ()


class ProviderHealth:
    """Says (`run`, `tell`) and reads (`read`).

    Args:
        worker: this process among all that serve.
    """

    def __init__(self, connection: Connection, seen: Callable[[], Seen], *, worker: str) -> None:
        self._connection = connection
        self._seen = seen
        self._worker = worker
        self._said = False

    async def run(self) -> None:
        """Say it every few seconds, while there is something to say; until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await self.tell()
            except StoreError:
                continue  # others go by what was said last, or by nothing: only people look at it

    async def tell(self) -> None:
        """Say what this worker sees now. Raises StoreError."""
        providers, circuits = self._seen()
        if not providers and not circuits and not self._said:
            return
        row = orjson.dumps(plain([providers, circuits])) if providers or circuits else b""
        await self._script(self._worker, row)
        self._said = bool(row)

    async def read(self) -> Mapping[str, Health]:
        """By provider; those that nobody has asked lately are not there. Raises StoreUnavailable."""
        return _together([orjson.loads(row) for row in await self._script("", b"")])

    async def _script(self, worker: str, row: bytes) -> list[bytes]:
        key = self._connection.keys.provider_health
        found: list[bytes] = await self._connection.script("tell_provider_health", [key], (worker, row, _COUNTS_MS))
        return found


def _together(rows: Iterable[Any]) -> dict[str, Health]:
    numbers: dict[str, list[Mapping[str, Any]]] = {}
    circuits: dict[str, dict[str | None, list[tuple[str, float]]]] = {}
    for providers, troubled in rows:
        for name, one in providers.items():
            numbers.setdefault(name, []).append(one)
        for name, model, state, seconds in troubled:
            numbers.setdefault(name, [])
            circuits.setdefault(name, {}).setdefault(model, []).append((state, seconds))
    return {
        name: Health(
            calls=sum(one["calls"] for one in seen),
            failed=sum(one["failed"] for one in seen),
            limited=sum(one["limited"] for one in seen),
            latency_ms=_weighed(seen, "latency_ms"),
            first_byte_ms=_weighed(seen, "first_byte_ms"),
            circuits=tuple(_circuit(model, one) for model, one in sorted(circuits.get(name, {}).items(), key=str))[
                :_CIRCUITS
            ],
        )
        for name, seen in numbers.items()
    }


def _weighed(seen: Sequence[Mapping[str, Any]], field: str) -> float | None:
    known = [(one[field], one["calls"]) for one in seen if one[field] is not None]
    return round(sum(value * calls for value, calls in known) / sum(calls for _, calls in known), 1) if known else None


def _circuit(model: str | None, seen: Sequence[tuple[str, float]]) -> Circuit:
    worst = min((state for state, _ in seen), key=_WORST.index)
    return Circuit(model or None, worst, round(max(seconds for _, seconds in seen), 1), len(seen))
