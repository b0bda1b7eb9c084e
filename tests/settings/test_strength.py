"""Whether a secret is one."""

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings.strength import header_problem, weakness


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "fifteen-chars-x",
        "changemechangeme",
        "change-me-please-change-me",
        "passwordpassword",
        "Super_Secret_Password_2024",
        "testtesttesttest",
        "test-admin-key-0123456789",
        "secretsecretsecretsecret",
        "adminadminadminadmin",
        "sk-1234567890abcdef",
        "sk-1234sk-1234sk-1234",
        "your-api-key-goes-here",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789012345",
        "abababababababababab",
        "leuko-gateway-default-secret",
    ],
)
def test_a_secret_that_anyone_could_guess_is_refused(secret: str) -> None:
    assert weakness(secret) is not None


@pytest.mark.parametrize(
    "secret", ["adm-Vq3zL8wKx0JrTnYc", "correct horse battery staple", "7f3a9c0e5b1d8246", "key_93kfj2lq0s8d"]
)
def test_a_secret_with_enough_of_its_own_is_accepted(secret: str) -> None:
    assert weakness(secret) is None


def test_what_is_made_here_is_strong() -> None:
    assert all(weakness(secrets.token_urlsafe(32)) is None for _ in range(1000))


@settings(max_examples=200)
@given(st.binary(min_size=16, max_size=64))
def test_random_bytes_in_hex_are_weak_only_if_they_repeat(data: bytes) -> None:
    if len(set(data)) >= 12:
        assert weakness(data.hex()) is None


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "tab\t", "schlüssel", "\x7f"])
def test_what_no_header_can_carry_is_refused(secret: str) -> None:
    assert header_problem(secret) is not None


def test_visible_ascii_travels() -> None:
    assert header_problem("".join(map(chr, range(0x21, 0x7F)))) is None
