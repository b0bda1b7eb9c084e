import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.secrets import Span, covered, find, kinds_in, redact

A = "aB3dE5gH7jK9" * 8
HEX = "0123456789abcdef" * 4
SECRETS = {
    "API key": ["sk-" + A[:48], "sk-proj-" + A[:60], "sk-ant-api03-" + A[:80]],
    "gateway key": ["agk_abcd1234_" + A[:38]],
    "AWS access key": ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"],
    "GitHub token": ["ghp_" + A[:36], "github_pat_" + A[:82]],
    "GitLab token": ["glpat-" + A[:20]],
    "Slack token": ["xoxb-1234567890-" + A[:24], "xapp-1-A0-" + A[:20]],
    "Google API key": ["AIza" + A[:35]],
    "Google token": ["ya29." + A[:40]],
    "Google client secret": ["GOCSPX-" + A[:28]],
    "Stripe key": ["sk_live_" + A[:24], "rk_test_" + A[:24]],
    "webhook secret": ["whsec_" + A[:32]],
    "Twilio key": ["SK" + HEX[:32]],
    "SendGrid key": ["SG." + A[:22] + "." + A[:43]],
    "npm token": ["npm_" + A[:36]],
    "PyPI token": ["pypi-AgEIcHlwaS5vcmc" + A[:60]],
    "Hugging Face token": ["hf_" + "abCdEfGhIj" * 4],
    "Groq key": ["gsk_" + A[:52]],
    "xAI key": ["xai-" + A[:80]],
    "Perplexity key": ["pplx-" + A[:48]],
    "Replicate token": ["r8_" + A[:37]],
    "DigitalOcean token": ["dop_v1_" + HEX],
    "Databricks token": ["dapi" + HEX[:32]],
    "Shopify token": ["shpat_" + HEX[:32]],
    "Vault token": ["hvs." + A[:30]],
    "Linear key": ["lin_api_" + A[:40]],
    "Notion token": ["ntn_" + A[:46]],
    "Telegram token": ["123456789:AA" + A[:33]],
    "age key": ["AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE"],
    "JSON Web Token": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + A[:43]],
    "private key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIE" + A + "\n-----END RSA PRIVATE KEY-----"],
}
INSIDE = {
    "AWS secret key": ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
    "Slack webhook": ("https://hooks.slack.com/services/", "T00000000/B00000000/" + A[:24], ""),
    "Azure storage key": ("AccountName=a;AccountKey=", (A + A)[:86] + "==", ";EndpointSuffix=x"),
    "password in a URL": ("postgres://app:", "hunter2222", "@db.internal:5432/x"),
}


@pytest.mark.parametrize(("kind", "secret"), [(kind, one) for kind, ones in SECRETS.items() for one in ones])
def test_a_known_form_is_found_wherever_it_stands(kind: str, secret: str) -> None:
    for before, after in (("", ""), ("the key is ", ", keep it"), ('{"key":"', '"}'), ("größe=", "\n🙂")):
        assert find(before + secret + after) == [Span(kind, len(before), len(before + secret))]
        assert redact(before + secret + after) == f"{before}[{kind} redacted]{after}"


@pytest.mark.parametrize("kind", INSIDE)
def test_of_some_only_the_secret_part_is_covered(kind: str) -> None:
    before, secret, after = INSIDE[kind]
    assert redact(before + secret + after) == f"{before}[{kind} redacted]{after}"


@pytest.mark.parametrize(
    "text",
    [
        "", "sk-short", "task-management-for-teams-and-people", "https://example.com:8080/a@b", "AKIA is a prefix",
        "mail bob:x@example.com", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "desk-" + A[:30],
        "a sha256 is " + HEX, "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "call_" + A[:24], "https://user@host/path",
    ],
)  # fmt: skip
def test_what_only_looks_a_little_like_one_is_left(text: str) -> None:
    assert find(text) == [] and redact(text) is text


def test_a_private_key_is_covered_to_its_end_or_where_the_text_ends() -> None:
    key = "-----BEGIN PRIVATE KEY-----\\nMIIE" + A
    assert redact(f"x {key}") == "x [private key redacted]"
    assert redact(f"x {key}\\n-----END PRIVATE KEY----- y") == "x [private key redacted] y"


def test_random_data_is_seldom_taken_for_one() -> None:
    data = base64.b64encode(random.Random(7).randbytes(300_000)).decode()
    assert find(data) == []


def test_of_secrets_that_overlap_the_first_is_covered_whole() -> None:
    url = "https://x:sk-" + A[:40] + "@api.test"
    assert redact(url) == "https://x:[API key redacted]@api.test" or "aB3" not in redact(url)
    assert redact("ghp_" + A[:36] + " ghp_" + A[:36]) == "[GitHub token redacted] [GitHub token redacted]"


@given(st.text(max_size=40), st.text(max_size=40))
def test_text_around_a_secret_stays_as_it_is_and_the_secret_does_not(before: str, after: str) -> None:
    text = f"{before} {SECRETS['GitHub token'][0]} {after}"
    assert redact(text) == f"{before} [GitHub token redacted] {after}"


def test_values_are_searched_and_covered_without_being_changed() -> None:
    key = "ghp_" + A[:36]
    value = {"messages": [{"content": f"use {key}", "n": 1}, {"content": "nothing"}], "signature": key, "ok": None}
    assert kinds_in(value) == ["GitHub token"]
    new = covered(value)
    assert new["messages"][0] == {"content": "use [GitHub token redacted]", "n": 1} and new["signature"] == key
    assert new["messages"][1] is value["messages"][1] and value["messages"][0]["content"] == f"use {key}"
    assert covered(new) is new and kinds_in(5) == []


def test_half_of_a_surrogate_pair_hides_nothing() -> None:
    assert redact("\ud800 ghp_" + A[:36]) == "\ud800 [GitHub token redacted]"
