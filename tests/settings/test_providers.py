"""Providers, as settings describe them."""

import pytest
from pydantic import SecretStr

from gateway.settings import ProviderSettings, Settings, SettingsError
from gateway.settings.providers import load_providers


def test_a_provider_without_a_proxy_of_its_own_uses_the_common_one() -> None:
    own = ProviderSettings(url="https://b.example", upstream_proxy="http://own.example:1", api_key=SecretStr("sk-b"))
    settings = Settings(
        providers={"a": ProviderSettings(url="https://a.example"), "b": own},
        upstream_proxy="http://common.example:1",
        llm_upstream_url="https://default.example/v1",
    )
    found = load_providers(settings).by_name
    assert [name for name in found if name in ("a", "b")] == ["a", "b"]
    assert (found["a"].proxy, found["b"].proxy) == ("http://common.example:1", "http://own.example:1")
    assert (found["a"].api_key, found["b"].api_key) == (None, "sk-b")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"providers": {"a" * 64: ProviderSettings(url="https://a.example")}}, "at most 63"),
        ({"providers": {"default": ProviderSettings(url="https://a.example")}}, "'default' is reserved"),
        ({"llm_upstream_url": "https://a.example/{b}"}, "provider default: url"),
    ],
)
def test_one_that_no_request_could_go_to_is_a_fault_of_the_settings(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_providers(Settings.model_validate(given))
