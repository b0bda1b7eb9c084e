"""Which models a relayed request names, and which requests have one act without naming it."""

import json

import pytest

from gateway.model.errors import UnreadableRequest
from gateway.model.route import Route
from gateway.wire.relayed_models import chooses_model, in_body, in_target, named_elsewhere


@pytest.mark.parametrize(
    ("route", "query", "found"),
    [
        (Route(None, "/images/generations"), b"", []),
        (Route(None, "/images/generations", deployment="gpt-9"), b"", ["gpt-9"]),
        (Route(None, "/engines/gpt-9/audio/speech"), b"", ["gpt-9"]),
        (Route(None, "/models/gpt-9:predict"), b"", ["gpt-9"]),
        (Route(None, "/models%2Fgpt-9%2Fgenerate"), b"", ["gpt-9"]),
        (Route(None, "/realtime/calls"), b"model=gpt-9&x=1", ["gpt-9"]),
        (Route(None, "/realtime/calls"), b"Model=gpt%2D9", ["gpt-9"]),
    ],
)
def test_path_and_query_name_models(route: Route, query: bytes, found: list[str]) -> None:
    assert list(in_target(route, query)) == found


NESTED = {"requests": [{"custom_id": "a", "params": {"model": "gpt-9"}}]}


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("/responses/compact", {"model": "gpt-9", "input": []}, ["gpt-9"]),
        ("/moderations", {"input": "x"}, []),
        ("/messages/batches", NESTED, ["gpt-9"]),
        ("/realtime/client_secrets", {"session": {"model": "gpt-9"}}, ["gpt-9"]),
        ("/fine_tuning/jobs", {"model": "a", "method": {"grader": {"model": "gpt-9"}}}, ["a", "gpt-9"]),
        ("/vector_stores", NESTED, []),
    ],
)
def test_bodies_name_models(path: str, document: object, found: list[str]) -> None:
    assert in_body(Route(None, path), json.dumps(document).encode()) == found


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "a", "model": "gpt-9"}',
        b'{"model": "a", "Model": "gpt-9"}',
        b'{"model": ["gpt-9"]}',
        b"[]",
        b"model=a",
    ],
)
def test_a_body_that_could_name_another_model_to_its_provider_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        in_body(Route(None, "/images/generations"), body)


@pytest.mark.parametrize(
    ("path", "chooses", "elsewhere"),
    [
        ("/images/generations", True, False),
        ("/audio/transcriptions", True, False),
        ("/Moderations", True, False),
        ("/responses%2Fcompact", True, False),
        ("/batches", True, True),
        ("/threads/t/runs", True, True),
        ("/files", False, False),
        ("/fine_tuning/jobs/j/cancel", False, False),
    ],
)
def test_some_operations_have_a_model_act_unnamed(path: str, chooses: bool, elsewhere: bool) -> None:
    assert (chooses_model(Route(None, path)), named_elsewhere(Route(None, path))) == (chooses, elsewhere)
