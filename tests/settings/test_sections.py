"""Settings that are objects: durations, networks, lists."""

import base64
import json
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.background.webhook import EVENTS
from gateway.settings import SettingsError, load
from gateway.settings.sections import (
    Documents,
    Duration,
    JWTSettings,
    Network,
    Retention,
    WebhookEvent,
    WebhookSettings,
)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("45m", 2700), ("12h", 43_200), ("30d", 2_592_000), (7, 7)])
def test_a_duration_is_a_number_with_a_unit_or_seconds(text: object, seconds: int) -> None:
    assert TypeAdapter(Duration).validate_python(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1w", "-1d", "1.5h", 0, "9999999d", True])
def test_another_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


def test_an_address_is_a_network_of_one() -> None:
    assert str(TypeAdapter[Any](Network).validate_python("10.1.2.3")) == "10.1.2.3/32"
    with pytest.raises(ValidationError, match="is not an address or a network"):
        TypeAdapter(Network).validate_python("10.1.2.3/8")


def test_documents_are_a_json_array_of_objects() -> None:
    documents = TypeAdapter(Documents)
    assert (
        documents.validate_python('[{"name": "a"}]') == documents.validate_python([{"name": "a"}]) == ({"name": "a"},)
    )
    for wrong in ("{}", "[1]", "[", '[{"name": "a", "name": "b"}]'):
        with pytest.raises(ValidationError):
            documents.validate_python(wrong)


def test_what_is_left_out_keeps_its_default() -> None:
    assert Retention.model_validate({"vitals": "1d"}) == Retention(vitals=86_400)
    assert JWTSettings(issuer="i", audience="a", jwks="/keys.json").claim == "sub"
    with pytest.raises(ValidationError):
        Retention.model_validate({"vital": "1d"})


@pytest.mark.parametrize("source", ["https://issuer.example/keys", "/etc/keys.json", "http://127.0.0.1:8080/keys"])
def test_an_issuers_keys_come_over_tls_or_from_this_machine(source: str) -> None:
    assert JWTSettings(issuer="i", audience="a", jwks=source).jwks == source


def test_an_issuers_keys_are_not_fetched_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="without TLS"):
        JWTSettings(issuer="i", audience="a", jwks="http://issuer.example/keys")


@pytest.mark.parametrize(("written", "seconds"), [("7d", 604_800), ("90s", 90), ("off", None), (" OFF ", None)])
def test_how_long_calls_are_recorded_is_a_duration_or_off(written: str, seconds: int | None) -> None:
    assert load(None, {"GATEWAY_RECORD_CALLS": written}).record_calls == seconds


@pytest.mark.parametrize("written", ["0s", "on", "true", "-1d"])
def test_calls_are_not_recorded_for_anything_else(written: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_RECORD_CALLS.*or off"):
        load(None, {"GATEWAY_RECORD_CALLS": written})


WHSEC = "whsec_" + base64.b64encode(b"x" * 24).decode()


def test_a_webhook_may_ask_for_every_event_there_is() -> None:
    assert get_args(WebhookEvent) == EVENTS


def test_a_webhook_has_a_secret_of_its_own_or_names_one() -> None:
    given = [{"url": "https://a.example/x?token=1", "secret": WHSEC}, {"url": "http://10.0.0.1", "secret_env": "HOOK"}]
    webhooks = load(None, {"GATEWAY_WEBHOOKS": json.dumps(given), "HOOK": WHSEC}).webhooks
    assert [one.secret.get_secret_value() for one in webhooks] == [WHSEC, WHSEC]
    assert webhooks[0].events == ("approval.requested",)
    assert "token" not in repr(webhooks) and WHSEC not in repr(webhooks)
    assert WebhookSettings.model_validate(given[0]) == webhooks[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"url": "https://a", "secret": "bad"}], "0.secret: is not whsec_ and the base64 of 24 to 64 bytes"),
        ([{"url": "https://a"}], "0: has no secret"),
        ([{"url": "https://a", "secret": WHSEC, "secret_env": "X"}], "0: has secret and secret_env"),
        ([{"url": "https://a", "secret_env": "X"}], "0: secret_env names X, which is not set"),
        ([{"url": "ftp://a", "secret": WHSEC}], "0.url: does not start with http:// or https://"),
        ([{"url": "https://a#b", "secret": WHSEC}], "0.url: has a fragment"),
        ([{"url": "https://a", "secret": WHSEC, "evnts": []}], "did you mean events?"),
        ([{"url": "https://a", "secret": WHSEC, "events": ["x"]}], "0.events.0: is not 'approval.requested'"),
        ([{"url": "https://a", "secret": WHSEC}] * 2, "has one url twice"),
        (["x"], "0: is not"),
        ({}, "is JSON, but not an array"),
    ],
)
def test_another_webhook_is_refused_without_its_secret(given: Any, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {"GATEWAY_WEBHOOKS": json.dumps(given)})
    assert said in str(refused.value) and WHSEC not in str(refused.value)
