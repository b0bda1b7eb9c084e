"""Header fields."""

from gateway.model.headers import header_value


def test_the_first_of_several_values_is_the_one_found_and_none_is_none() -> None:
    headers = [(b"vary", b"origin"), (b"content-type", b"text/plain"), (b"vary", b"accept")]
    assert header_value(headers, b"vary") == b"origin"
    assert header_value(headers, b"etag") is None
