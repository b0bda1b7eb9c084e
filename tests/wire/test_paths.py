"""One canonical path, and what it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import UnreadableRequest
from gateway.wire.paths import canonical_path, data_plane_route


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"/v1/chat/completions", "/v1/chat/completions"),
        (b"/v1/chat/completions/", "/v1/chat/completions"),
        (b"//v1//chat///completions", "/v1/chat/completions"),
        (b"/v1/%63hat/c%6Fmpletions", "/v1/chat/completions"),
        (b"/v1/models/org%2Fname", "/v1/models/org%2Fname"),
        (b"/v1/models/org%2fname", "/v1/models/org%2fname"),
        (b"/v1/models/a%20b", "/v1/models/a%20b"),
        (b"/v1/files/report.v1.txt", "/v1/files/report.v1.txt"),
        (b"/v1/models/%7Euser", "/v1/models/~user"),
        (b"/", "/"),
        (b"//", "/"),
    ],
)
def test_equal_spellings_have_one_canonical_path(raw: bytes, canonical: str) -> None:
    assert canonical_path(raw) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        b"/v1/./chat/completions",
        b"/v1/../admin",
        b"/v1/%2e%2e/admin",
        b"/v1/.%2E/admin",
        b"/v1/files%2F..%2Fadmin",
        b"/v1/chat\\completions",
        b"/v1/chat%5Ccompletions",
        b"/v1/..;/admin",
        b"/v1/chat;x=1/completions",
        b"/v1/chat%3bx/completions",
        b"/v1/%00",
        b"/v1/a%0d%0ab",
        b"/v1/a%7f",
        b"/v1/%",
        b"/v1/%zz",
        b"/v1/\xc3\xa9",
        b"/v1/a b",
    ],
)
def test_a_path_that_servers_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        canonical_path(raw)


@given(st.text(alphabet="abv1/.%2eEfF5Cc;\\~-", max_size=30))
def test_canonical_is_a_fixed_point(text: str) -> None:
    try:
        once = canonical_path(b"/" + text.encode())
    except UnreadableRequest:
        return
    assert canonical_path(once.encode()) == once
    assert "//" not in once
    assert not {".", ".."} & set(once.split("/"))


@pytest.mark.parametrize(
    ("path", "dialect", "below"),
    [
        ("/v1/chat/completions", "chat_completions", "/chat/completions"),
        ("/chat/completions", "chat_completions", "/chat/completions"),
        ("/v1/v1/messages", "messages", "/messages"),
        ("/v1/messages", "messages", "/messages"),
        ("/v1/messages/count_tokens", "messages", "/messages/count_tokens"),
        ("/responses", "responses", "/responses"),
        ("/openai/v1/responses", "responses", "/responses"),
        ("/v1/completions", "completions", "/completions"),
        ("/v1/embeddings", "embeddings", "/embeddings"),
        ("/v1/Chat/Completions", "chat_completions", "/Chat/Completions"),
        ("/v1/audio/speech", None, "/audio/speech"),
        ("/files", None, "/files"),
        ("/v1/some/new/route", None, "/some/new/route"),
    ],
)
def test_every_form_a_client_sends_finds_its_route(path: str, dialect: str | None, below: str) -> None:
    route = data_plane_route("POST", path)
    assert route is not None
    assert (route.dialect, route.path, route.provider, route.deployment) == (dialect, below, None, None)


def test_an_azure_path_names_its_deployment() -> None:
    route = data_plane_route("POST", "/openai/deployments/my-gpt/chat/completions")
    assert route is not None
    assert (route.dialect, route.deployment, route.path) == ("chat_completions", "my-gpt", "/chat/completions")


@pytest.mark.parametrize("path", ["/p/azure/v1/chat/completions", "/p/azure/chat/completions"])
def test_a_provider_can_be_named_in_the_path(path: str) -> None:
    route = data_plane_route("POST", path)
    assert route is not None
    assert (route.provider, route.dialect, route.path) == ("azure", "chat_completions", "/chat/completions")


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/favicon.ico", "/wp-login.php", "/v1%2Fchat/completions", "/openai/deployments/x", "/p/azure"]
)
def test_a_path_that_is_no_api_has_no_route(path: str) -> None:
    assert data_plane_route("POST", path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat%2Fcompletions",
        "/v1/chat%2fcompletions",
        "/v1/chat/completions.",
        "/v1/chat/completions%3Fx=y",
        "/v1/responses%23x",
        "/v1/%2Fresponses",
        "/v1/messages%2F",
    ],
)
def test_a_relayed_path_that_could_be_taken_for_a_judged_one_is_refused(path: str) -> None:
    with pytest.raises(UnreadableRequest):
        data_plane_route("POST", path)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/engines/gpt-4/completions", "completions"),
        ("/v1/engines/gpt-4/Chat/Completions", "chat_completions"),
        ("/v1/deployments/my-gpt/chat/completions", "chat_completions"),
        ("/v1/openai/v1/responses", "responses"),
        ("/openai/v1/openai/deployments/my-gpt/chat/completions", "chat_completions"),
        ("/openai/deployments/my-gpt/extensions/chat/completions", "chat_completions"),
        ("/models/chat/completions", "chat_completions"),
        ("/v1/anthropic/v1/messages", "messages"),
        ("/v1/threads/thread_1/messages", None),
        ("/v1/x/threads/thread_1/messages", "messages"),
        ("/v1/messages/batches", None),
    ],
)
def test_an_operation_below_a_prefix_is_judged_too(path: str, dialect: str | None) -> None:
    route = data_plane_route("POST", path)
    assert route is not None
    assert (route.dialect, route.reads_request) == (dialect, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses%2Fresp_1"),
        ("GET", "/v1/chat%2Fcompletions/chatcmpl_1"),
        ("POST", "/v1/responses%2fresp_1/cancel"),
        ("POST", "/openai/deployments/my-gpt%2Fchat/completions"),
        ("POST", "/v1/engines/a%2Fchat%2fcompletions"),
        ("POST", "/v1/chat/completions%20"),
        ("POST", "/v1/chat/completions.%2F."),
    ],
)
def test_a_path_that_names_another_operation_once_decoded_is_refused(method: str, path: str) -> None:
    with pytest.raises(UnreadableRequest):
        data_plane_route(method, path)


@pytest.mark.parametrize(
    ("method", "path", "dialect"),
    [
        ("GET", "/v1/responses/resp_1", "responses"),
        ("POST", "/v1/responses/resp_1/cancel", "responses"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "chat_completions"),
        ("GET", "/v1/responses", None),
        ("DELETE", "/v1/responses/resp_1", None),
        ("GET", "/v1/responses/resp_1/input_items", None),
        ("HEAD", "/v1/chat/completions", None),
    ],
)
def test_the_answer_of_a_stored_response_is_judged_too(method: str, path: str, dialect: str | None) -> None:
    route = data_plane_route(method, path)
    assert route is not None
    assert (route.dialect, route.reads_request) == (dialect, dialect is None)
