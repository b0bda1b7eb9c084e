"""Where SDKs put their credential."""

import pytest

from gateway.identity.credential import credential_of
from gateway.model.errors import Refusal


@pytest.mark.parametrize(
    ("fields", "credential"),
    [
        ({b"authorization": b"Bearer sk-1"}, b"sk-1"),
        ({b"authorization": b"bearer  sk-1 "}, b"sk-1"),
        ({b"authorization": b"Bearer\tsk-1"}, b"sk-1"),
        ({b"authorization": b"Bearer_sk-1"}, b"Bearer_sk-1"),
        ({b"x-api-key": b"sk-ant"}, b"sk-ant"),
        ({b"api-key": b"azure"}, b"azure"),
        ({b"authorization": b"Bearer same", b"x-api-key": b"same"}, b"same"),
        ({b"authorization": b"", b"api-key": b"azure"}, b"azure"),
        ({b"authorization": b"Bearer "}, None),
        ({}, None),
    ],
)
def test_the_credential_is_found_in_every_header(fields: dict[bytes, bytes], credential: bytes | None) -> None:
    assert credential_of([(b"accept", b"*/*"), *fields.items()]) == credential


@pytest.mark.parametrize("second", [b"x-api-key", b"api-key", b"authorization"])
def test_two_different_credentials_are_refused(second: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        credential_of([(b"authorization", b"Bearer a"), (second, b"Bearer b")])
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)


def test_the_same_credential_twice_is_one() -> None:
    assert credential_of([(b"authorization", b"Bearer a"), (b"authorization", b"bearer a"), (b"api-key", b"a")]) == b"a"
