"""Settings as a value."""

import pytest
from pydantic import SecretStr, ValidationError

from gateway.settings import ProviderSettings, Settings, is_loopback


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_settings_are_closed() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Settings.model_validate({"prot": 1})


def test_code_may_hand_over_a_providers_key() -> None:
    settings = Settings(providers={"azure": ProviderSettings(url="https://x.example", api_key=SecretStr("az"))})
    key = settings.providers["azure"].api_key
    assert key is not None
    assert key.get_secret_value() == "az"


def test_every_setting_says_what_it_means_and_what_is_allowed() -> None:
    for name, info in Settings.model_fields.items():
        assert info.description, name
        if name != "notices":
            assert isinstance(info.json_schema_extra, dict), name
            assert info.json_schema_extra["allowed"], name


@pytest.mark.parametrize(
    ("host", "loopback"), [("LOCALHOST", True), ("127.1.1.1", True), ("::1", True), ("0.0.0.0", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    assert Settings(host=host).listens_on_loopback is loopback
