import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.address import SCHEMES, RedisAddress, read_address


@pytest.mark.parametrize("url", ["redis://h", "rediss://:pw@h:6380/1", "unix:///run/redis.sock"])
def test_one_server_is_named_as_redis_py_has_it(url: str) -> None:
    assert read_address(url) == RedisAddress("server", (), url)


def test_sentinels_name_a_service_and_perhaps_a_database() -> None:
    assert read_address("redis+sentinel://a:26379,b,[::1]:7/mymaster") == RedisAddress(
        "sentinel",
        (("a", 26379), ("b", 26379), ("::1", 7)),
        "redis://a:26379",
        "mymaster",
        "redis://a:26379",
    )
    found = read_address("rediss+sentinel://u:p%40s@a,b/my%20master/3?ssl_ca_certs=%2Fca.pem")
    assert (found.service, found.url, found.sentinel_url) == (
        "my master",
        "rediss://u:p%40s@a:26379/3?ssl_ca_certs=%2Fca.pem",
        "rediss://a:26379?ssl_ca_certs=%2Fca.pem",
    )


def test_sentinels_may_have_a_password_of_their_own() -> None:
    found = read_address("redis+sentinel://u:p@a/m?sentinel_username=s&sentinel_password=q&db=2")
    assert found.url == "redis://u:p@a:26379?db=2"
    assert found.sentinel_url == "redis://a:26379?username=s&password=q"


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    assert read_address("redis+cluster://:pw@a:7000,b") == RedisAddress(
        "cluster", (("a", 7000), ("b", 6379)), "redis://:pw@a:7000"
    )
    assert read_address("rediss+cluster://[::1]/0").url == "rediss://[::1]:6379"


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://h", "does not start with redis://"),
        ("redis+sentinel://h", "does not name the service"),
        ("redis+sentinel://h/", "does not name the service"),
        ("redis+sentinel://h/m/x", "not a number"),
        ("redis+sentinel://h/m?sentinel_db=1", "neither"),
        ("redis+sentinel:///m", "empty host"),
        ("redis+cluster://", "empty host"),
        ("redis+cluster://a,,b", "empty host"),
        ("redis+cluster://a:0", "port of 0"),
        ("redis+cluster://a:x", "cannot be read"),
        ("redis+cluster://a:99999", "cannot be read"),
        ("redis+cluster://[::1", "cannot be read"),
        ("redis+cluster://a/1", "none but 0"),
        ("redis+cluster://a b", "is not a URL"),
        ("redis+cluster://a#f", "fragment"),
    ],
)
def test_anything_else_is_refused_and_said_why(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_address(url)


@settings(max_examples=300)
@given(st.sampled_from(SCHEMES), st.text(max_size=12), st.text(max_size=12))
def test_no_text_breaks_the_reading_or_is_quoted(scheme: str, before: str, after: str) -> None:
    try:
        read_address(f"{scheme}://{before}hush{after}")
    except ValueError as error:
        assert "hush" not in str(error)
