"""What is kept of agents, as JSON. Callers choose names, so anything may be in them."""

import json
from dataclasses import asdict
from typing import Any

import orjson


def dumps(document: Any) -> bytes:
    """Dataclasses are objects of their members; floats come back as they are."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:  # a lone surrogate, or a huge number
        return json.dumps(document, separators=(",", ":"), default=asdict).encode()


def loads(data: bytes) -> Any:
    """Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)
