"""A relayed request cannot have a model act that a rule denies, however it names it; all else passes byte for byte."""

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.phases.relayed_models import FORM_BYTES
from tests.support.judging import World, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer

ALLOWED = {"models": {"allow": ["gpt-4o*", "whisper-1"]}}
DENIED = {"models": {"deny": ["gpt-9*"]}}


async def asked(policy: dict[str, object], path: str, **sent: object) -> tuple[httpx.Response, list[bytes], World]:
    async with (
        ScriptedUpstream(json_answer({"ok": True})) as upstream,
        judged_path(engine(policy), upstream=upstream.url) as world,
    ):
        said = await world.path.client.post(path, **sent)  # type: ignore[arg-type]
        return said, [request.body for request in upstream.requests], world


GENERATING = ["responses/compact", "images/generations", "audio/speech", "fine_tuning/jobs", "moderations", "videos"]


@pytest.mark.parametrize("operation", GENERATING)
@pytest.mark.parametrize("policy", [ALLOWED, DENIED])
async def test_a_denied_model_is_refused_on_every_generating_route(operation: str, policy: dict[str, object]) -> None:
    said, received, world = await asked(policy, f"/v1/{operation}", json={"model": "gpt-9-mini", "input": "x"})
    assert (said.status_code, said.json()["error"]["code"]) == (403, "model_not_allowed")
    assert received == []
    (entry,) = world.entries.all
    assert (entry.action, entry.resource, entry.allowed) == ("call:model", "gpt-9-mini", False)


@pytest.mark.parametrize("operation", GENERATING)
async def test_an_allowed_model_passes_and_its_body_stays_as_it_was(operation: str) -> None:
    body = b'{ "model":"gpt-4o",  "input": "\\u0041", "n": 1.50 }'
    headers = {"content-type": "application/json"}
    said, received, _ = await asked(ALLOWED, f"/v1/{operation}", content=body, headers=headers)
    assert (said.status_code, received) == (200, [body])


async def test_a_compressed_body_is_read_and_sent_as_it_was() -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    for model, status in (("gpt-4o", 200), ("gpt-9", 403)):
        body = gzip.compress(json.dumps({"model": model}).encode())
        said, received, _ = await asked(DENIED, "/v1/moderations", content=body, headers=headers)
        assert (said.status_code, received) == (status, [body] if status == 200 else [])


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_does_not_hide_a_model(kind: str) -> None:
    body, headers = b'{"model": "gpt-9"}', {"content-type": kind}
    said, received, _ = await asked(DENIED, "/v1/images/generations", content=body, headers=headers)
    assert (said.status_code, received) == (403, [])


async def test_a_model_that_nobody_names_is_the_providers_choice() -> None:
    said, _, _ = await asked(ALLOWED, "/v1/images/generations", json={"prompt": "x"})
    assert said.status_code == 403
    said, _, _ = await asked(DENIED, "/v1/images/generations", json={"prompt": "x"})
    assert said.status_code == 200


@pytest.mark.parametrize("policy", [ALLOWED, DENIED])
async def test_a_batch_does_not_bring_models_that_nobody_sees(policy: dict[str, object]) -> None:
    said, received, _ = await asked(policy, "/v1/batches", json={"input_file_id": "file-1"})
    assert (said.status_code, said.json()["error"]["code"], received) == (403, "model_not_allowed", [])
    assert "cannot be seen" in said.json()["error"]["message"]


async def test_the_models_of_a_batch_that_shows_them_are_judged() -> None:
    for model, status in (("gpt-9", 403), ("gpt-4o", 200)):
        batch = {"requests": [{"params": {"model": "gpt-4o"}}, {"params": {"model": model}}]}
        said, _, _ = await asked(ALLOWED, "/v1/messages/batches", json=batch)
        assert said.status_code == status


async def test_a_deployment_in_the_path_is_judged() -> None:
    said, received, _ = await asked(DENIED, "/openai/deployments/gpt-9/images/generations", json={"prompt": "x"})
    assert (said.status_code, received) == (403, [])


async def test_a_form_names_its_model_before_or_after_a_file() -> None:
    for model, status in (("whisper-1", 200), ("gpt-9", 403)):
        said, received, _ = await asked(
            ALLOWED, "/v1/audio/transcriptions", data={"model": model}, files={"file": b"RIFF" * 100}
        )
        assert (said.status_code, len(received)) == (status, status == 200)


BOUNDARY = "XX"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*parts: tuple[str, bytes]) -> bytes:
    made = b"".join(
        b'--XX\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), content)
        for name, content in parts
    )
    return made + b"--XX--\r\n"


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_model_behind_a_large_file_is_refused_before_the_provider_has_it_all(chunked: bool) -> None:
    body = form(("file", b"\0" * (2 * FORM_BYTES)), ("model", b"whisper-1"))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    sent = pieces() if chunked else body
    said, received, _ = await asked(DENIED, "/v1/audio/edits", content=sent, headers=FORM)
    assert (said.status_code, said.json()["error"]["code"]) == (403, "model_not_allowed")
    assert all(len(one) < len(body) for one in received)


async def test_a_model_that_has_not_come_in_time_is_none() -> None:
    body = form(("file", b"\0" * (2 * FORM_BYTES)), ("model", b"whisper-1"))
    said, received, _ = await asked(ALLOWED, "/v1/audio/transcriptions", content=body, headers=FORM)
    assert (said.status_code, received) == (403, [])


async def test_a_large_upload_streams_on_unchanged() -> None:
    body = form(("purpose", b"batch"), ("file", b"\r\n--X\0" * FORM_BYTES))
    said, received, _ = await asked(ALLOWED, "/v1/files", content=body, headers=FORM)
    assert (said.status_code, received) == (200, [body])


async def test_bytes_that_are_no_form_and_no_json_are_uploaded_unread() -> None:
    body, headers = b"\0" * 3_000_000, {"content-type": "application/octet-stream"}
    said, received, _ = await asked(ALLOWED, "/v1/uploads/u/parts", content=body, headers=headers)
    assert (said.status_code, received) == (200, [body])


async def test_a_body_past_the_limit_is_refused_where_a_model_acts() -> None:
    said, received, _ = await asked(DENIED, "/v1/images/edits", json={"model": "a", "image": "x" * 1_100_000})
    assert (said.status_code, received) == (413, [])


@pytest.mark.parametrize("policy", [{}, {"deny": ["read:file"]}, {**DENIED, "enforcement": "shadow"}])
async def test_nothing_is_read_without_a_rule_about_models_in_force(policy: dict[str, object]) -> None:
    said, received, _ = await asked(policy, "/v1/moderations", content=b"{not json", headers={"content-type": "a/json"})
    assert (said.status_code, received) == (200, [b"{not json"])


async def test_what_is_read_or_deleted_names_no_model() -> None:
    async with (
        ScriptedUpstream(json_answer({})) as upstream,
        judged_path(engine(DENIED), upstream=upstream.url) as world,
    ):
        said = [await world.path.client.request(method, "/v1/models/gpt-9") for method in ("GET", "DELETE")]
    assert [one.status_code for one in said] == [200, 200]
