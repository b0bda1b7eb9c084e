"""Keys leave in no line; words that look a little like them do."""

from urllib.parse import quote

import pytest

from gateway.telemetry.redaction import PLACE, Redaction


@pytest.mark.parametrize(
    "secret",
    [
        "agk_a1b2c3d4_0123456789abcdefghijklmnopqrstuvABCDEF",
        "adk_a1b2c3d4_0123456789abcdefghijklmnopqrstuvABCDEF",
        "igk_a1b2c3d4_0123456789abcdefghijklmnopqrstuvABCDEF",
        "sk-proj-0123456789abcdef",
        "sk-ant-api03-0123456789_abcdef",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "root-secret-of-this-gateway",
    ],
)
@pytest.mark.parametrize("around", ["{}", "key={}", "'{}'", "https://h/p?k={}&x=1", "({})", "{}\nnext"])
def test_a_key_is_taken_out_wherever_it_stands(secret: str, around: str) -> None:
    told = Redaction(["root-secret-of-this-gateway"])(around.format(secret))
    assert secret not in told and PLACE in told


@pytest.mark.parametrize(
    "secret", ["agk_a1b2c3d4_0123456789abcdefghijklmnopqrstuvABCDEF", "root-secret-of-this-gateway"]
)
@pytest.mark.parametrize("times", [1, 2, 5, 20])
def test_a_key_is_taken_out_however_it_is_encoded(secret: str, times: int) -> None:
    encoded = "".join(f"%{ord(letter):02X}" for letter in secret)
    for _ in range(times - 1):
        encoded = quote(encoded)
    told = Redaction(["root-secret-of-this-gateway"])(f"GET /v1/files/{encoded}?x=1")
    assert PLACE in told and encoded not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer some.opaque-token", f"Authorization: Bearer {PLACE}"),
        ("authorization: basic dXNlcjpwYXNz", f"authorization: basic {PLACE}"),
        ("x-api-key: 12345678 sent", f"x-api-key: {PLACE} sent"),
        ("redis://user:hunter22@cache:6379/0", f"redis://{PLACE}@cache:6379/0"),
        ("redis://:hunter22@cache:6379/0", f"redis://{PLACE}@cache:6379/0"),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(text: str, told: str) -> None:
    assert Redaction()(text) == told


@pytest.mark.parametrize(
    "text", ["risk-averse", "sk-", "a task_force", "gpt-4o", "https://host:443/v1", "agk_", "", "100%", "a%20b"]
)
def test_other_words_stay(text: str) -> None:
    assert Redaction(["short"])(text) == text
