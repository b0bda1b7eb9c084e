"""What values are checked against."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings.shapes import http_url, is_loopback, json_object, redis_url


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.example", "https://api.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://[::1]:8443/openai/v1/", "https://[::1]:8443/openai/v1"),
    ],
)
def test_a_provider_is_a_scheme_a_host_and_perhaps_a_path(given_url: str, kept: str) -> None:
    assert http_url(given_url) == kept


@pytest.mark.parametrize(
    "bad",
    ["", "x", "//x", "ftp://x", "http://", "http://:80", "http://x:0", "http://x:99999", "http://x/ y", "http://x\n"]
    + ["http://u@x", "http://x?q", "http://x#f", "http://[::1"],
)
def test_anything_else_is_no_provider(bad: str) -> None:
    with pytest.raises(ValueError, match="is not|does not|has a"):
        http_url(bad)


@settings(max_examples=300)
@given(st.sampled_from(["http://", "redis://", "unix://", ""]), st.text(max_size=12), st.text(max_size=12))
def test_no_text_breaks_the_reading_of_urls_or_is_quoted(scheme: str, before: str, after: str) -> None:
    for read in (http_url, redis_url):
        try:
            read(f"{scheme}{before}hush{after}")
        except ValueError as error:
            assert "hush" not in str(error)


@pytest.mark.parametrize(
    "good",
    ["redis://h", "rediss://:pw@h:6380/1", "unix:///run/redis.sock", "unix://:pw@/run/r.sock"]
    + ["redis+sentinel://a:26379,b:26379/main/1", "rediss+cluster://:pw@a:6379,b"],
)
def test_a_redis_is_named_by_network_or_socket_or_by_who_knows_it(good: str) -> None:
    assert redis_url(good) == good


@pytest.mark.parametrize("bad", ["http://h", "redis://", "unix://r.sock", "redis+sentinel://a", "redis+cluster://a/2"])
def test_anything_else_is_no_redis(bad: str) -> None:
    with pytest.raises(ValueError):
        redis_url(bad)


def test_json_is_read_from_text_only_and_must_be_an_object() -> None:
    assert json_object('{"a": {"b": 1}}') == {"a": {"b": 1}}
    assert json_object({"a": 1}) == {"a": 1}
    for bad in ("", "[]", "1", '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 1}}'):
        with pytest.raises(ValueError, match="JSON|twice"):
            json_object(bad)


def test_a_name_that_may_resolve_to_anything_is_not_loopback() -> None:
    assert not is_loopback("localhost.example.com")
    assert not is_loopback("")
