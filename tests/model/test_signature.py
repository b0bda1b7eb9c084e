"""The signature of Standard Webhooks, by the example that its libraries are tested with."""

import pytest

from gateway.model.signature import sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_that_of_the_reference() -> None:
    found = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_is_none_signs_nothing() -> None:
    with pytest.raises(ValueError):
        sign("whsec_not base64!", "msg_1", 1, b"")
