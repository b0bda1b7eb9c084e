"""The providers that the settings name."""

from collections.abc import Sequence
from pathlib import Path

from gateway.settings.model import Settings
from gateway.settings.names import SettingsError
from gateway.upstream.providers import Provider, Providers


def load_providers(settings: Settings, made: Sequence[Provider] = ()) -> Providers:
    """All of them, and those `made` elsewhere. Raises SettingsError for one that no request could go to."""
    key = settings.llm_upstream_api_key
    try:
        named = [
            Provider(
                name,
                given.url,
                given.dialect,
                given.api_key.get_secret_value() if given.api_key else None,
                given.api_key_env,
                given.models,
                given.upstream_proxy or settings.upstream_proxy,
                text_of(given.upstream_ca_file or settings.upstream_ca_file),
            )
            for name, given in settings.providers.items()
        ]
        return Providers(
            default_url=settings.llm_upstream_url,
            default_key=key.get_secret_value() if key else None,
            named=[*named, *made],
            stub=settings.stub,
            proxy=settings.upstream_proxy,
            ca_file=text_of(settings.upstream_ca_file),
        )
    except ValueError as error:
        raise SettingsError([str(error)]) from None


def text_of(path: Path | None) -> str | None:
    """A path as `upstream` takes it."""
    return None if path is None else str(path)
