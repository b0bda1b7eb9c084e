"""Embeddings without a model: vectors of length 1 that depend on the input's bytes alone."""

import array
import base64
import hashlib
import math
from typing import Any

import orjson

from gateway.demo.stub_question import StubQuestion

DIMENSIONS = 1536
MOST_DIMENSIONS = 4096


def embeddings_whole(question: StubQuestion) -> dict[str, Any]:
    """A list of `embedding`s, one for each input. Raises ValueError if `dimensions` is not in 1…4096."""
    dimensions = question.document.get("dimensions") or DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"`dimensions` is {dimensions!r}; allowed are whole numbers from 1 to {MOST_DIMENSIONS}")
    packed = question.document.get("encoding_format") == "base64"
    vectors = [unit_vector(one, dimensions) for one in _inputs(question.document.get("input"))]
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": question.input_tokens, "total_tokens": question.input_tokens}
    return {"object": "list", "data": data, "model": question.model, "usage": usage}


def unit_vector(text: Any, dimensions: int) -> list[float]:
    """The same text gives the same vector, on every machine."""
    seed = text.encode() if isinstance(text, str) else orjson.dumps(text)
    drawn = hashlib.shake_256(seed).digest(2 * dimensions)
    numbers = [int.from_bytes(drawn[at : at + 2], "little") - 32767.5 for at in range(0, len(drawn), 2)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def _inputs(value: Any) -> list[Any]:
    """A list of texts or token lists is several inputs; a list of tokens is one."""
    several = isinstance(value, list) and not all(isinstance(one, int) for one in value)
    return value if several else [value]


def _packed(vector: list[float]) -> str:
    """Little-endian 32-bit floats, as the SDKs ask for by default."""
    floats = array.array("f", vector)
    if floats.itemsize != 4:  # pragma: no cover
        raise AssertionError("a C float has 32 bits on every platform we run on")
    return base64.b64encode(floats.tobytes()).decode()
