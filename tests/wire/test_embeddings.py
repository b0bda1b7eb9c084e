"""Embeddings are read for their model and their price."""

from typing import Any

import pytest

from gateway.model.errors import Refusal, UnreadableRequest
from gateway.wire.embeddings import EMBEDDINGS


@pytest.mark.parametrize("source", ["hi", ["hi", "ho"], [1, 2], [[1], [2]], None])
def test_a_request_is_read(source: Any) -> None:
    ask = EMBEDDINGS.read_request({"model": "text-embedding-3-small", "input": source, "stream": True})
    assert (ask.model, ask.stream, ask.tools) == ("text-embedding-3-small", False, ())


@pytest.mark.parametrize(("document", "param"), [({"model": 4}, "model"), ({"input": {}}, "input")])
def test_a_governed_member_of_the_wrong_type_is_named(document: dict[str, Any], param: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        EMBEDDINGS.read_request(document)
    assert caught.value.param == param


def test_an_answer_is_read_for_its_usage() -> None:
    answer = EMBEDDINGS.read_answer({"model": "text-embedding-3-small", "usage": {"prompt_tokens": 8}})
    assert answer.model == "text-embedding-3-small"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (8, 0)


@pytest.mark.parametrize("document", [{}, {"model": 4, "usage": 4}, {"usage": {"prompt_tokens": "8"}}])
def test_an_answer_of_another_shape_has_no_usage(document: dict[str, Any]) -> None:
    answer = EMBEDDINGS.read_answer(document)
    assert (answer.model, answer.usage) == (None, None)
    assert EMBEDDINGS.withhold(document, {}) == document


def test_embeddings_are_never_streamed() -> None:
    assert not EMBEDDINGS.streams
    with pytest.raises(TypeError):
        EMBEDDINGS.reader()


def test_a_refusal_has_openais_shape() -> None:
    assert b'"code":"policy_denied"' in EMBEDDINGS.error_body(Refusal("policy_denied", "no"))
