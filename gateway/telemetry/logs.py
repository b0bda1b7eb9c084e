"""Log lines, as text or as JSON; one line an event whatever the message holds, and no secrets in it.

A line written while a request is served carries that request's id and its trace's.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import orjson

from gateway.telemetry.redaction import Redaction
from gateway.telemetry.trace_context import Trace

CURRENT: ContextVar[Trace | None] = ContextVar("leuko_trace", default=None)
"""The exchange that the running task serves. Tasks inherit it, so what a request starts is logged under its id too."""

# C0, DEL and C1: terminals obey them. The separators end a line for whoever reads Unicode lines.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: "\\u2028", 0x2029: "\\u2029"}

_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(127, 160), 0x2028, 0x2029)}
"""The same for JSON, whose writer has escaped C0 already; they stand inside strings only."""


_TALKATIVE = ("httpx", "httpcore")
"""Libraries that log whole URLs and headers at lower levels; a webhook's URL is as good as a key."""


class _Json(logging.Formatter):
    """`{"time","level","logger","message"}`, `request_id` and `trace_id` of the request being served, and `"error"`
    with the stack trace of an exception."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._told(record.getMessage()),
        }
        if (trace := CURRENT.get()) is not None:
            line["request_id"] = trace.request_id
            if trace.trace_id:
                line["trace_id"] = f"{trace.trace_id:032x}"
        if record.exc_info:
            line["error"] = self._told(self.formatException(record.exc_info))
        return orjson.dumps(line).decode().translate(_JSON_ESCAPES)

    def _told(self, text: str) -> str:
        # Lone surrogates come from JSON and from undecodable paths, and no encoding has them.
        return self._redact(text).encode("utf-8", "backslashreplace").decode()


class _Text(logging.Formatter):
    """Control characters are escaped, so that no message can forge a second line."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redact = redact

    def formatMessage(self, record: logging.LogRecord) -> str:
        message = record.message.translate(_ESCAPES)
        trace = CURRENT.get()
        if trace is not None and trace.request_id not in message:
            message = f"{message} [{trace.request_id}]"
        record.message = message
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record)).encode("utf-8", "backslashreplace").decode()


def configure(level: str, form: str, stream: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Send every log line of `level` and above to `stream` (standard error), replacing earlier configuration.

    Args:
        secrets: of this process, which no line may hold.
    """
    redact = Redaction(secrets)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json(redact) if form == "json" else _Text(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
