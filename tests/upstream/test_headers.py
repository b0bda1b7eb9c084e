"""Which headers travel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.upstream.credential import AS_RECEIVED
from gateway.upstream.headers import holds_our_key, request_headers, response_headers

SDK: Headers = [
    (b"host", b"localhost:4000"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, br, zstd"),
    (b"connection", b"keep-alive"),
    (b"user-agent", b"OpenAI/Python 3.52.0"),
    (b"content-type", b"application/json"),
    (b"content-length", b"1900"),
    (b"authorization", b"Bearer sk-test"),
    (b"x-stainless-lang", b"python"),
    (b"x-stainless-retry-count", b"0"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"anthropic-version", b"2023-06-01"),
    (b"anthropic-beta", b"a"),
    (b"anthropic-beta", b"b"),
]
PASS = [pair for pair in SDK if pair[0] not in (b"host", b"accept-encoding", b"connection", b"content-length")]


def sent(incoming: Headers, **how: object) -> Headers:
    return request_headers(incoming, **{"credential": AS_RECEIVED, "judged": False, **how})  # type: ignore[arg-type]


def test_a_judged_request_asks_for_an_answer_without_coding_and_keeps_the_rest_in_order() -> None:
    assert sent(SDK, judged=True) == [*PASS, (b"accept-encoding", b"identity")]


def test_a_relayed_request_keeps_what_codings_it_accepts() -> None:
    assert (b"accept-encoding", b"gzip, br, zstd") in sent(SDK)
    assert sent([(b"accept", b"*/*")]) == [(b"accept", b"*/*")]


def test_a_key_set_by_the_gateway_takes_the_place_of_every_credential_header() -> None:
    three = [(b"authorization", b"Bearer x"), (b"x-api-key", b"x"), (b"accept", b"a"), (b"api-key", b"x")]
    assert sent(three, credential=(b"api-key", b"own")) == [(b"accept", b"a"), (b"api-key", b"own")]
    assert sent(three, credential=None) == [(b"accept", b"a")]
    assert sent(three) == three


@pytest.mark.parametrize(
    "name",
    [
        b"x-agent-id", b"x-agent-key", b"x-agent-session", b"x-intent-token", b"x-admin-key", b"x-gateway-execution",
        b"x-gateway-anything", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"keep-alive", b"proxy-connection",
        b"proxy-authorization", b"host", b"content-length", b"expect", b"http2-settings", b"x-http-method-override",
        b"x-http-method", b"x-method-override", b"x-original-url", b"x-original-method", b"x-rewrite-url",
    ],
)  # fmt: skip
def test_headers_of_ours_of_one_connection_and_of_another_request_stay_here(name: bytes) -> None:
    assert sent([(name, b"1"), (b"x-a", b"2")]) == [(b"x-a", b"2")]


def test_the_length_of_a_body_that_travels_as_it_comes_is_kept() -> None:
    assert (b"content-length", b"1900") in sent(SDK, keep_length=True)


def test_trace_context_travels_unless_that_is_switched_off() -> None:
    trace = [(b"traceparent", b"x"), (b"tracestate", b"y"), (b"baggage", b"z"), (b"x-a", b"1")]
    assert sent(trace) == trace
    assert sent(trace, propagate_trace=False) == [(b"x-a", b"1")]


@pytest.mark.parametrize("value", [b"x-hop", b"close, X-Hop", b" x-hop ,keep-alive", b"upgrade,x-hop,x-other"])
def test_what_connection_names_stays_here(value: bytes) -> None:
    assert sent([(b"x-hop", b"1"), (b"connection", value), (b"x-a", b"2")]) == [(b"x-a", b"2")]


def test_what_several_connection_headers_name_stays_here() -> None:
    incoming = [(b"connection", b"x-a"), (b"x-a", b"1"), (b"x-b", b"1"), (b"connection", b"x-b")]
    assert sent(incoming) == []


@pytest.mark.parametrize("name", [b"authorization", b"x-agent-id", b"Content-Type", b"content-length", b"api-key"])
def test_connection_cannot_take_an_end_to_end_header_away(name: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        sent([(b"connection", b"keep-alive, " + name), (b"authorization", b"Bearer x")])
    assert caught.value.code == "invalid_request"


def test_a_key_of_ours_in_any_other_header_never_leaves() -> None:
    key = b"agk_a1b2c3d4_" + b"x" * 38
    for name, value in (
        (b"cookie", b"k=" + key),
        (b"x-goog-api-key", key),
        (b"user-agent", b"curl " + key),
        (b"x", b"is" + key),
    ):
        with pytest.raises(Refusal) as caught:
            sent([(name, value)])
        assert caught.value.code == "invalid_api_key"
        assert "a1b2c3d4" not in caught.value.message
    assert sent([(b"x-agent-key", key), (b"x-note", b"agk_short")]) == [(b"x-note", b"agk_short")]


@pytest.mark.parametrize("text", [b"agk_%b", b"x=%%61gk_%b", b"/%%2561gk_%b", b"%%25252561gk_%b", b"%%61gk%%255F%b"])
def test_a_key_of_ours_is_found_however_it_is_encoded(text: bytes) -> None:
    assert holds_our_key(text % (b"a1b2c3d4_" + b"x" * 38))
    assert not holds_our_key(text % b"a1b2c3d4_" + b"x")


def test_what_is_encoded_beyond_reading_is_not_passed_on() -> None:
    assert holds_our_key(b"%" + b"25" * 40 + b"61")


def test_an_answers_headers_pass_in_order_with_repeats() -> None:
    upstream = [
        (b"date", b"d"), (b"content-type", b"text/event-stream"), (b"set-cookie", b"a"), (b"connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"), (b"x-request-id", b"r"), (b"set-cookie", b"b"), (b"content-length", b"1"),
        (b"keep-alive", b"timeout=5"), (b"retry-after", b"-1"), (b"x-ratelimit-limit-requests", b"1"),
        (b"openai-version", b"v"), (b"x-gateway-request-id", b"forged"), (b"proxy-authenticate", b"x"),
        (b"content-encoding", b"gzip"), (b"upgrade", b"h2c"),
    ]  # fmt: skip
    passed = (
        b"date content-type set-cookie x-request-id set-cookie retry-after x-ratelimit-limit-requests openai-version"
    )
    assert [name for name, _ in response_headers(upstream)] == [*passed.split(), b"content-encoding"]


def test_what_an_answers_connection_names_stays_here_but_never_its_meaning() -> None:
    upstream = [(b"connection", b"x-hop, Content-Type"), (b"x-hop", b"1"), (b"content-type", b"a/b")]
    assert response_headers(upstream) == [(b"content-type", b"a/b")]


NAMES = st.sampled_from([name for name, _ in SDK] + [b"x-gateway-a", b"x-agent-key", b"te", b"x-1", b"set-cookie"])


@settings(max_examples=100)
@given(st.lists(st.tuples(NAMES, st.sampled_from([b"", b"a", b"keep-alive"]))), st.booleans(), st.booleans())
def test_nothing_is_reordered_changed_or_invented(incoming: Headers, judged: bool, keep: bool) -> None:
    incoming = [pair for pair in incoming if pair[0] != b"connection"]
    out = sent(incoming, judged=judged, keep_length=keep)
    if judged:
        assert out.pop() == (b"accept-encoding", b"identity")
    kept = iter(incoming)
    assert all(pair in kept for pair in out)  # a subsequence
