"""From settings to the ways out: providers, and who speaks to them."""

import secrets
import time
from collections.abc import Callable

from gateway.background.merge_providers import Build, Make
from gateway.demo.stub import StubModels
from gateway.demo.stub_turns import read_script
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.model.vitals import Vitals
from gateway.phases.forward import Forward
from gateway.phases.model_list import ModelList
from gateway.phases.settle import Observer
from gateway.phases.timeouts import Timeouts
from gateway.settings import Settings, SettingsError, read_yaml
from gateway.settings.providers import load_providers, text_of
from gateway.store.connection import Connection
from gateway.store.provider_health import ProviderHealth, Seen
from gateway.store.providers import MadeProvider
from gateway.upstream.breaker import Breaker, Outcome, outcome_of
from gateway.upstream.client import Client
from gateway.upstream.health import RecentCalls
from gateway.upstream.providers import STUB, Provider


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
        load_providers(settings),
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


def watched_health(store: Connection, breaker: Breaker, worker: str) -> tuple[Observer, ProviderHealth]:
    """What learns from each exchange how its provider does, and what tells it to all workers."""
    calls, clock = RecentCalls(), time.monotonic

    def note(exchange: Exchange, vitals: Vitals) -> None:
        if exchange.breaker_key is None:  # nothing was sent
            return
        outcome = outcome_of(exchange.status if exchange.first_byte_at is not None else None, exchange.failure)
        limited = vitals.status == 429
        if outcome is Outcome.NOTHING and not limited:  # who left says nothing of the provider
            return
        failed = outcome is not Outcome.SUCCESS and not limited
        calls.add(exchange.breaker_key[0], clock(), vitals.latency_ms, vitals.ttft_ms, failed, limited)

    def seen() -> Seen:
        return calls.read(clock()), breaker.troubled(clock())

    return note, ProviderHealth(store, seen, worker=worker)


def builders(settings: Settings) -> tuple[Build, Make]:
    """How these settings turn providers made over the API into ones in use. Raises SettingsError for their own."""
    load_providers(settings)  # what is wrong is said now, not at the first change over the API

    def make(made: MadeProvider) -> Provider:
        return Provider(
            made.name,
            made.url,
            made.dialect,
            made.api_key,
            None,
            made.models,
            settings.upstream_proxy,
            text_of(settings.upstream_ca_file),
            private_ok=settings.allow_private_upstreams,
        )

    return lambda made: load_providers(settings, made), make


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
