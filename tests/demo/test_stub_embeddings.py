import base64
import math
import struct
from typing import Any

import pytest

from gateway.demo.stub_embeddings import DIMENSIONS, embeddings_whole, unit_vector
from tests.demo.rendered import question


def test_vectors_have_length_one_and_depend_on_the_text() -> None:
    vector = unit_vector("hello", 256)
    assert len(vector) == 256
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector == unit_vector("hello", 256)
    assert vector != unit_vector("hello!", 256)


def test_base64_holds_the_same_numbers_as_32_bit_floats() -> None:
    plain = embeddings_whole(question(input="hello", dimensions=8))["data"][0]["embedding"]
    packed = embeddings_whole(question(input="hello", dimensions=8, encoding_format="base64"))["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(plain)


@pytest.mark.parametrize("given, count", [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2]], 2), ([], 1)])
def test_each_input_has_its_vector(given: Any, count: int) -> None:
    data = embeddings_whole(question(input=given))["data"]
    assert [one["index"] for one in data] == list(range(count))
    assert all(len(one["embedding"]) == DIMENSIONS for one in data)


@pytest.mark.parametrize("dimensions", [-1, 4097, "8", 2.5])
def test_other_dimensions_are_refused(dimensions: Any) -> None:
    with pytest.raises(ValueError, match="dimensions"):
        embeddings_whole(question(input="a", dimensions=dimensions))
