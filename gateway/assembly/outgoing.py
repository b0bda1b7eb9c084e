"""From settings to the ways out: providers, and who speaks to them."""

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.background.merge_providers import Build, Make
from gateway.demo.stub import StubModels
from gateway.demo.stub_turns import read_script
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.phases.forward import Forward
from gateway.phases.model_list import ModelList
from gateway.phases.timeouts import Timeouts
from gateway.settings import Settings, SettingsError, read_yaml
from gateway.store.providers import MadeProvider
from gateway.upstream.breaker import Breaker
from gateway.upstream.client import Client
from gateway.upstream.providers import STUB, Provider, Providers


def forward_phase(
    settings: Settings,
    client: Client,
    breaker: Breaker,
    timeouts: Timeouts,
    own_keys: tuple[bytes, ...],
    outgoing: Callable[[Exchange, Headers], Headers],
) -> Forward:
    """The phase that asks providers; `outgoing` is told of each request's headers."""
    openers = _openers(settings)
    return Forward(
        _providers(settings),
        openers,
        client,
        breaker,
        timeouts,
        own_keys,
        time.monotonic,
        ModelList(openers[STUB], client) if settings.stub else None,
        propagate_trace=settings.propagate_trace,
        outgoing=outgoing,
    )


def builders(settings: Settings) -> tuple[Build, Make]:
    """How these settings turn providers made over the API into ones in use."""

    def make(made: MadeProvider) -> Provider:
        return Provider(
            made.name,
            made.url,
            made.dialect,
            made.api_key,
            None,
            made.models,
            settings.upstream_proxy,
            _path(settings.upstream_ca_file),
            private_ok=settings.allow_private_upstreams,
        )

    return lambda made: _providers(settings, made), make


def _providers(settings: Settings, made: Sequence[Provider] = ()) -> Providers:
    named = [
        Provider(
            name,
            given.url,
            given.dialect,
            given.api_key.get_secret_value() if given.api_key else None,
            given.api_key_env,
            given.models,
            given.upstream_proxy or settings.upstream_proxy,
            _path(given.upstream_ca_file or settings.upstream_ca_file),
        )
        for name, given in settings.providers.items()
    ]
    key = settings.llm_upstream_api_key
    return Providers(
        default_url=settings.llm_upstream_url,
        default_key=key.get_secret_value() if key else None,
        named=[*named, *made],
        stub=settings.stub,
        proxy=settings.upstream_proxy,
        ca_file=_path(settings.upstream_ca_file),
    )


def _openers(settings: Settings) -> dict[str, StubModels]:
    if not settings.stub:
        return {}
    script = None
    if settings.stub_script is not None:
        try:
            script = read_script(read_yaml(settings.stub_script))
        except ValueError as error:
            raise SettingsError([f"{settings.stub_script}: {error}"]) from None
    wall_clock = time.time  # noqa: TID251 - answers carry a date
    return {STUB: StubModels(script, clock=wall_clock, new_id=lambda: secrets.token_hex(12))}


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
