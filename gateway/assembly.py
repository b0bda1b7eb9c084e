"""Builds every object one process serves with, and keeps its duties going. Only `app` imports it."""

import asyncio
import contextlib
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from fastapi import APIRouter

from gateway import __version__
from gateway.background.end_drains import end_drains
from gateway.background.follow_jwks import FollowJWKS
from gateway.background.forget_idle_agents import forget_idle_agents
from gateway.background.keep_audit import KeepAudit
from gateway.background.merge_providers import Build, Make, MergeProviders
from gateway.background.reload_policies import reload_policies
from gateway.background.watch_deadlines import watch_deadlines
from gateway.demo.stub import StubModels
from gateway.demo.stub_turns import read_script
from gateway.edge.admin import (
    admin_keys,
    agent_keys,
    agents,
    audit,
    events,
    lifecycle,
    metrics,
    providers,
    quarantine,
    routes,
    stats,
    usage,
    vitals,
)
from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.application import admin_application
from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.changes import Changes
from gateway.edge.agents_api import ingest, register
from gateway.edge.agents_api.access import AgentsAccess
from gateway.edge.agents_api.application import agents_application
from gateway.edge.asgi import App
from gateway.edge.data_plane import DataPlane
from gateway.edge.dispatch import Dispatch
from gateway.edge.drain import Drain
from gateway.edge.probes import Probes
from gateway.edge.server import Listener
from gateway.edge.sockets import tls_context
from gateway.edge.workers import worker_id
from gateway.identity.fingerprint import Fingerprinter
from gateway.identity.tokens import TokenReader
from gateway.model.exchange import Exchange
from gateway.model.verdict import Judge, allow_all
from gateway.phases.admit import Admit
from gateway.phases.forward import Forward
from gateway.phases.guard import Guard
from gateway.phases.identify import Identify
from gateway.phases.inspect import Inspect
from gateway.phases.model_list import ModelList
from gateway.phases.profile import Profiler
from gateway.phases.prove import Prove
from gateway.phases.record import Record
from gateway.phases.refine import Refine
from gateway.phases.reserve import Reserve
from gateway.phases.rewrite import Rewrite
from gateway.phases.route_agents import RouteAgents
from gateway.phases.settle import Settle
from gateway.phases.timeouts import Timeouts
from gateway.phases.tokens import IssuerTokens
from gateway.pipeline import Pipeline
from gateway.policy.plan import Plans
from gateway.pricing.calibration import Calibration
from gateway.pricing.price import Price
from gateway.pricing.table import Prices
from gateway.settings import Secrets, Settings, SettingsError, read_yaml
from gateway.settings.policies import load_policies, policy_files_state
from gateway.settings.prices import load_prices
from gateway.spool.audit import Audit
from gateway.store.admin_keys import AdminKeys
from gateway.store.agents import Agents
from gateway.store.chains import Chains
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.control_file import ControlFile
from gateway.store.credentials import Credentials
from gateway.store.events import Events
from gateway.store.forms import Forms
from gateway.store.identities import Identities
from gateway.store.limits import Limits
from gateway.store.providers import MadeProvider, MadeProviders
from gateway.store.quarantine import Quarantine
from gateway.store.routes import Routes
from gateway.store.schema import prepare
from gateway.store.sealed import Seal
from gateway.store.stats import Stats
from gateway.store.usage import UsageLog
from gateway.store.vitals import Kept, VitalsLog
from gateway.telemetry.process import Process
from gateway.telemetry.redaction import Redaction
from gateway.telemetry.telemetry import Surroundings, Telemetry
from gateway.telemetry.upkeep import guarding, upkeep
from gateway.upstream.breaker import Breaker
from gateway.upstream.client import Client
from gateway.upstream.providers import STUB, Provider, Providers
from gateway.wire.interdiction import HoldBudget

log = logging.getLogger("gateway")

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_BODY_BYTES = 512 * 1024 * 1024
_HELD_BYTES = 256 * 1024 * 1024


class Gateway:
    """Everything one process serves with.

    Args:
        redis_url: where the state is; the embedded server has been started by now.
        judge: decides about tool calls.
    """

    def __init__(self, settings: Settings, kept: Secrets, redis_url: str, *, judge: Judge = allow_all) -> None:
        self.settings = settings
        own_keys = _own_keys(kept)
        timeouts = Timeouts(**settings.timeouts.model_dump())
        self.store = Connection(redis_url, prefix=settings.redis_prefix)
        self.control = Control(
            self.store, clock=time.monotonic, file=ControlFile.of(settings.data_dir, redis_url, settings.redis_prefix)
        )
        wall_clock = time.time  # noqa: TID251 - moves carry a date
        self.quarantine = Quarantine(self.control, self.store, clock=wall_clock)
        active: set[Exchange] = set()
        self.guard = guard = Guard(
            self.control,
            self.quarantine,
            active,
            strict=settings.on_state_loss == "strict",
            audit=lambda entry: self.spool.later(entry),
            clock=wall_clock,
        )
        self.identities = self._identities(kept)
        self.routes = Routes(self.control)
        kept_vitals = Kept(settings.retention.vitals_count, settings.retention.vitals)
        self.agents = Agents(self.store, clock=time.time, kept=kept_vitals)  # noqa: TID251 - records carry a date
        self.prices = Prices(self._provider_url, clock=time.time, own=load_prices(settings))  # noqa: TID251 - as above
        self.calibration = Calibration()
        self._policy_source, self.policies_refused = settings, 0
        self.limits = Limits(self.store, clock=time.monotonic)
        self.reserve = Reserve(
            self.limits,
            Plans(load_policies(settings)),
            price=self._price,
            replicas=lambda: max(self.limits.replicas, settings.workers),
            clock=time.monotonic,
        )
        self.jwks: FollowJWKS | None = None
        prover = Prove(self.identities.verified, self._tokens(kept))
        self.chains = Chains(self.store)
        profiler = Profiler(kept.secret.get_secret_value().encode(), clock=time.monotonic, chains=self.chains)
        self.spool = Audit(
            settings.data_dir / "audit",
            new_chain=lambda: secrets.token_hex(16),
            clock=time.time,  # noqa: TID251 - records are dated by the wall clock
        )
        self.audit = self.spool.append
        self.keep_audit = self._keep_audit(kept)
        record = Record(
            self.spool,
            wall_clock=time.time,  # noqa: TID251 - as above
            strict=settings.audit == "strict",
            allow_reads=settings.audit_allow_reads,
            redact=Redaction(known_secrets(settings, kept)),
        )
        self.process = Process(time.monotonic)
        self.telemetry = self._telemetry(kept)
        breaker = Breaker(random.random)
        self.client = Client(connect=timeouts.connect, may_retry=lambda provider: not breaker.is_open(provider.name))
        fingerprinter = Fingerprinter(kept.secret.get_secret_value().encode())
        self.credentials = Credentials(
            self.store,
            self.agents.seen,
            fingerprinter.shared,
            clock=time.monotonic,
            keep_seconds=settings.retention.idle_agents,
        )
        self.forms = Forms(self.store, keep_seconds=settings.retention.idle_agents)
        refine = Refine(
            fingerprinter,
            self.forms,
            self.credentials,
            self.identities.rules,
            fingerprinter.form_key,
            clock=time.monotonic,
        )
        self.pipeline = Pipeline(
            Identify(
                fingerprinter,
                own_keys,
                prover=prover,
                ids=self.credentials,
                rules=self.identities.rules,
                proof_required=settings.require_agent_key,
                gates=(guard,),
            ),
            Admit(
                HoldBudget(max(_BODY_BYTES, settings.max_body_bytes)),
                judged_limit=settings.max_body_bytes,
                relayed_limit=settings.max_relayed_bytes,
                gates=(profiler, refine, RouteAgents(self.routes.provider_of), guard, self.reserve, record.decide),
            ),
            Rewrite(),
            self._forward(breaker, timeouts, own_keys),
            Inspect(guard.judging(judge), HoldBudget(_HELD_BYTES), timeouts, time.monotonic),
            Settle(
                self.credentials,
                breaker,
                clock=time.monotonic,
                wall_clock=time.time,  # noqa: TID251 - as above
                observers=(
                    profiler.observe,
                    refine.observe,
                    self.reserve.settle,
                    record.outcome,
                    self.telemetry.observe,
                ),
                price=self.prices.price,
                calibration=self.calibration,
            ),
            begin=self.telemetry.begin,
            active=active,
            over=self.telemetry.over,
        )
        self.merge_providers = self._merge_providers(kept)
        self.drain = Drain(
            self.pipeline.active,
            whole_seconds=timeouts.drain_whole,
            stream_seconds=timeouts.drain_stream,
            clock=time.monotonic,
        )
        self.tick = min(0.25, min(timeouts.first_byte, timeouts.idle, timeouts.whole, timeouts.total) / 8)
        self.ready = False
        root = kept.secret.get_secret_value().encode()
        wall_clock = time.time  # noqa: TID251 - records are dated by the wall clock
        self.admin_keys = AdminKeys(self.store, root, clock=wall_clock, choose=secrets.choice)
        self.events = Events(self.store, clock=wall_clock)
        self._changes = Changes(audit=self.audit, notify=self.events.notify, clock=wall_clock)
        self._agents_access = AgentsAccess(_ingest_key(kept), prover, Backoff(time.monotonic))
        self._access = AdminAccess(
            kept.admin_key.get_secret_value(),
            self.admin_keys,
            Backoff(time.monotonic),
            self._changes.refused,
            trusted_proxies=settings.trusted_proxies,
        )

    def listeners(self, sockets: Mapping[str, Sequence[socket.socket]]) -> list[Listener]:
        """The data plane on `main`, the admin API beside it or, if there are such sockets, on `admin` alone."""
        settings = self.settings
        context = None
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            context = tls_context(settings.tls_cert_file, settings.tls_key_file)
        probes = Probes(ready=self._ready, missing=self._missing)
        data_plane = DataPlane(
            self.pipeline,
            new_id=_request_ids(),
            clock=time.monotonic,
            degraded=lambda: ",".join(self._missing()),
            trusted_proxies=settings.trusted_proxies,
        )
        admin = admin_application(
            access=self._access,
            changes=self._changes,
            routers=self._admin_routers(),
            cors_origins=settings.cors_origins,
        )
        hosts = frozenset((*_LOOPBACK_NAMES, settings.host.lower(), *(h.lower() for h in settings.allowed_hosts)))
        apart = "admin" in sockets
        beside = Dispatch(
            data_plane=data_plane,
            admin=None if apart else admin,
            probe=probes,
            allowed_hosts=hosts,
            agents=self._agents_api(),
        )
        found = [Listener(beside, sockets["main"], context)]
        if apart:
            alone = Dispatch(data_plane=None, admin=admin, probe=probes, allowed_hosts=hosts)
            found.append(Listener(alone, sockets["admin"], context))
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Prepare the store and keep the duties going for the length of the block."""
        try:
            await self.client.prepare(self.pipeline.forward.providers.by_name.values())
        except ValueError as error:
            raise SettingsError([str(error)]) from None
        for warning in (await prepare(self.store)).warnings:
            log.warning("%s", warning)
        await self.keep_audit.begin()
        await self.control.begin()
        duties = [
            asyncio.create_task(duty)
            for duty in (
                self.store.watch(),
                *([] if self.jwks is None else [self.jwks.run()]),
                forget_idle_agents(self.identities.registry, idle_seconds=self.settings.retention.idle_agents),
                self.control.run(),
                end_drains(self.quarantine, self.guard.cut),
                self.process.watch(),
                self.credentials.run(),
                self.forms.run(),
                self.agents.run(),
                self.chains.run(),
                self.limits.run(),
                reload_policies(lambda: policy_files_state(self._policy_source), self._reload_policies),
                self.events.run(),
                self.keep_audit.run(),
                watch_deadlines(self.pipeline.active, time.monotonic, tick=self.tick),
            )
        ]
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self.keep_audit.end()
            await self.client.close()
            await self.store.close()

    def _keep_audit(self, kept: Secrets) -> KeepAudit:
        return KeepAudit(
            self.spool,
            self.store,
            deployment=self.settings.redis_prefix.strip(":") or "leuko",
            root=kept.secret.get_secret_value().encode(),
            random_bytes=secrets.token_bytes,
            key_file=self.settings.signing_key_file,
            clock=time.time,  # noqa: TID251 - records are dated by the wall clock
            life=self.settings.retention.audit,
        )

    def _agents_api(self) -> App:
        """What agents themselves may ask, below `/api/v1`."""
        wall_clock = time.time  # noqa: TID251 - dates
        reports = ingest.router(
            self.agents, self.identities.registry.make, self.prices.price, clock=wall_clock, new_id=_request_ids()
        )
        return agents_application(access=self._agents_access, routers=[register.router(self.identities), reports])

    def _admin_routers(self) -> list[APIRouter]:
        """One a noun, in the order of the documentation."""
        wall_clock = time.time  # noqa: TID251 - dates
        return [
            agents.router(self.agents, self.identities, state=self.quarantine.state),
            agent_keys.router(self.agents, self.identities, clock=wall_clock),
            quarantine.router(self.quarantine, self.control, self.agents, notify=self.events.notify),
            lifecycle.router(self.quarantine, self.agents),
            vitals.router(self.agents, VitalsLog(self.store)),
            stats.router(Stats(self.store, clock=wall_clock), quarantined=lambda: len(self.quarantine.blocked)),
            usage.router(UsageLog(self.store), clock=wall_clock),
            metrics.router(self.telemetry.scrape),
            providers.router(
                lambda: self.pipeline.forward.providers,
                self.made_providers,
                self.routes,
                lambda definition: self.merge_providers.make(definition),
            ),
            routes.router(self.routes, lambda: self.pipeline.forward.providers, self._is_agent),
            audit.router(self.keep_audit.copy, self.keep_audit),
            admin_keys.router(self.admin_keys, clock=wall_clock),
            events.router(self.events, self._access, stopping=lambda: self.drain.draining),
        ]

    def _merge_providers(self, kept: Secrets) -> MergeProviders:
        root = kept.secret.get_secret_value().encode()
        self.made_providers = MadeProviders(self.control, Seal(root, "provider keys", secrets.token_bytes))

        def publish(providers: Providers) -> None:
            self.pipeline.forward.providers = providers

        return MergeProviders(self.made_providers, *_builders(self.settings), publish)

    async def _is_agent(self, agent_id: str) -> bool:
        return await self.agents.get(agent_id) is not None

    def _tokens(self, kept: Secrets) -> IssuerTokens | None:
        given, clock = self.settings.jwt, time.time  # noqa: TID251 - tokens expire at a date
        if given is None:
            return None
        reader = TokenReader(
            given.issuer, given.audience, given.claim, kept.secret.get_secret_value().encode(), clock=clock
        )
        self.jwks = FollowJWKS(given.jwks, reader.use, clock=time.monotonic)
        return IssuerTokens(reader, self.jwks.refresh)

    def _identities(self, kept: Secrets) -> Identities:
        return Identities.over(
            self.store,
            self.control,
            kept.secret.get_secret_value().encode(),
            clock=time.time,  # noqa: TID251 - records are dated by the wall clock
            monotonic=time.monotonic,
            choose=secrets.choice,
            random_bytes=secrets.token_bytes,
        )

    def _forward(self, breaker: Breaker, timeouts: Timeouts, own_keys: tuple[bytes, ...]) -> Forward:
        settings, client, model_list = self.settings, self.client, None
        openers = _openers(settings)
        if settings.stub:
            model_list = ModelList(openers[STUB], client)
        providers = _providers(settings)
        return Forward(
            providers,
            openers,
            client,
            breaker,
            timeouts,
            own_keys,
            time.monotonic,
            model_list,
            propagate_trace=settings.propagate_trace,
            outgoing=self.telemetry.outgoing,
        )

    def _telemetry(self, kept: Secrets) -> Telemetry:
        around = Surroundings(
            os.environ,
            time.monotonic,
            time.time,  # noqa: TID251 - spans and points are dated by the wall clock
            random.Random(secrets.randbits(256)).getrandbits,
            __version__,
            worker_id(os.environ),
            known_secrets(self.settings, kept),
        )
        lives = self.quarantine.blocked
        states = lambda: [life.state for life in lives.values()]  # noqa: E731 - read at each scrape
        numbers = upkeep(self.store, self.agents, self.spool, self._missing, states, __version__)
        return Telemetry(
            around,
            propagate=self.settings.propagate_trace,
            observed=[*numbers, *guarding(self.guard), *self.process.instruments()],
        )

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these providers and keys; all else stays as it was started."""
        own_prices, documents = load_prices(settings), load_policies(settings)
        self.merge_providers.use(*_builders(settings))
        self._policy_source, self.reserve.plans = settings, Plans(documents)
        self.prices.own = own_prices
        self.prices.forget()
        self.pipeline.forward.own_keys = self.pipeline.identify.own_keys = _own_keys(kept)
        self._access.use(kept.admin_key.get_secret_value())
        self._agents_access.use(_ingest_key(kept))

    def _provider_url(self, name: str) -> str | None:
        provider = self.pipeline.forward.providers.by_name.get(name)
        return None if provider is None else provider.url

    def _ready(self) -> bool:
        return self.ready and not self.drain.draining and not self.guard.fenced

    def _price(self, exchange: Exchange) -> Price | None:
        """What the model of a judged request costs at the provider it will be sent to."""
        assert exchange.ask is not None
        model = exchange.route.deployment or exchange.ask.model
        provider = self.pipeline.forward.providers.choose(exchange.route, model, exchange.routed)
        return self.prices.price(provider.name, model)

    def _reload_policies(self) -> None:
        try:
            self.reserve.plans = Plans(load_policies(self._policy_source))
            log.info("Read the policy documents again")
        except SettingsError as error:
            self.policies_refused += 1
            log.error("The policy documents stay as they were: %s", "; ".join(error.problems))

    def _missing(self) -> list[str]:
        return [] if self.store.healthy and self.control.leased else ["redis"]


def _ingest_key(kept: Secrets) -> str | None:
    return None if kept.ingest_api_key is None else kept.ingest_api_key.get_secret_value()


def known_secrets(settings: Settings, kept: Secrets) -> tuple[str, ...]:
    """What no log line, span or record may hold."""
    known = [kept.admin_key, kept.secret, kept.ingest_api_key, settings.llm_upstream_api_key]
    known += [provider.api_key for provider in settings.providers.values()]
    return tuple(secret.get_secret_value() for secret in known if secret is not None)


def _own_keys(kept: Secrets) -> tuple[bytes, ...]:
    return tuple(key.get_secret_value().encode() for key in (kept.admin_key, kept.ingest_api_key) if key)


def _builders(settings: Settings) -> tuple[Build, Make]:
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


def _request_ids() -> Callable[[], str]:
    """Ids that never meet, on any replica; they are no secret, so they need no system call each."""
    bits = random.Random(secrets.randbits(256)).getrandbits
    return lambda: f"req_{bits(96):024x}"
