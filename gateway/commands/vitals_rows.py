"""Vitals of files and answers as the immune system reads them: JSON lines as the API gives them, or a table as CSV."""

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from gateway.model.vitals import Vitals

_FIELDS = {field.name: field for field in fields(Vitals)}
_REQUIRED: Mapping[str, Any] = {"dialect": None, "provider": None, "model": None, "stream": False, "status": 200}
_FRACTIONS = frozenset(("latency_ms", "ttft_ms", "cost_usd"))
_WHOLE = frozenset(("turn", *(name for name, field in _FIELDS.items() if field.default == 0))) - {"usage_estimated"}
_NAMED = {  # how tables of recorded runs call the same
    "agent": "agent_id",
    "file": "agent_id",
    "sim": "conversation",
    "timestamp": "time",
    "agent_model": "model",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "n_tool_calls": "tool_calls",
    "n_tool_errors": "tool_errors",
}
_SECONDS = ("latency_s", "latency_since_prev_msg_s")


def read_rows(path: Path) -> Iterator[Vitals]:
    """The rows of a file: JSON lines, or CSV with a head line where its name says so; either may be gzipped.

    Raises ValueError, naming the row, for what is no vitals; OSError.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        table = ".csv" in path.suffixes
        documents = csv.DictReader(file) if table else (json.loads(line) for line in file if line.strip())
        rows = 0
        try:
            for document in documents:
                yield vitals_of(document)
                rows += 1
        except (ValueError, TypeError, AttributeError, EOFError) as error:
            raise ValueError(f"{path}: row {rows + 1}: {error}") from None


def vitals_of(document: Mapping[str, Any]) -> Vitals:
    """One row; members that are not known are left out, those that are missing are as they usually are.

    Raises ValueError: agent, time or latency cannot be read.
    """
    given = {_NAMED.get(name, name): value for name, value in document.items() if value not in (None, "")}
    for name in _SECONDS:
        if name in given:
            given.setdefault("latency_ms", float(given[name]) * 1000.0)
    if "agent_id" not in given or "time" not in given:
        raise ValueError(f"has no {'time' if 'agent_id' in given else 'agent_id'}")
    given.setdefault("latency_ms", 0.0)
    given.setdefault("request_id", f"{given.get('conversation', '')}.{given.get('turn', '')}")
    found = {**_REQUIRED, **{name: _plain(name, value) for name, value in given.items() if name in _FIELDS}}
    return Vitals(**found)


def in_order(rows: Iterable[Vitals]) -> list[Vitals]:
    """As they ended; those of one moment as they came."""
    return sorted(rows, key=lambda row: row.time)


def _plain(name: str, value: Any) -> Any:
    if name == "time":
        return _seconds(value)
    if name in _WHOLE or name in _FRACTIONS or name == "status":
        number = float(value)
        if not isfinite(number):
            raise ValueError(f"{name} is {value!r:.40}, no number")
        return number if name in _FRACTIONS else int(number)
    if name == "tool_names":
        return tuple(value.split() if isinstance(value, str) else map(str, value))
    return value in (True, "true", "True", "1") if name in ("stream", "usage_estimated") else str(value)


def _seconds(value: Any) -> float:
    """Since the epoch; a time without an offset is UTC."""
    if not isinstance(value, str):
        return float(value)
    time = datetime.fromisoformat(value)
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
