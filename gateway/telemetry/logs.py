"""Log lines, as text or as JSON; one line an event whatever the message holds."""

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import orjson

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {0x2028: "\\u2028", 0x2029: "\\u2029"}


class _Json(logging.Formatter):
    """`{"time","level","logger","message"}`, and `"error"` with the stack trace of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class _Text(logging.Formatter):
    """Control characters are escaped, so that no message can forge a second line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_ESCAPES)
        return super().formatMessage(record)


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send every log line of `level` and above to `stream` (standard error), replacing earlier configuration."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
