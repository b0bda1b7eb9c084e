"""The six phases and what they judge, price and measure with."""

import asyncio
import logging
import os
import random
import secrets
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from gateway import __version__
from gateway.assembly.judging import judge, present
from gateway.assembly.keys import known_secrets, own_keys, root_of
from gateway.assembly.mcp import MCPPath
from gateway.assembly.noticing import Noticing
from gateway.assembly.outgoing import builders, forward_phase, watched_health
from gateway.assembly.recording import Recording
from gateway.assembly.state import State
from gateway.assembly.treating import prescribed, treat, why_throttled
from gateway.background.end_drains import EndDrains
from gateway.background.follow_files import follow_files
from gateway.background.follow_jwks import FollowJWKS
from gateway.background.merge_policies import MergePolicies
from gateway.background.merge_providers import MergeProviders
from gateway.background.watch_deadlines import watch_deadlines
from gateway.edge.workers import worker_id
from gateway.identity.tokens import TokenReader
from gateway.model.exchange import Exchange
from gateway.phases.admit import Admit, Gate
from gateway.phases.earlier import Earlier
from gateway.phases.guard import Guard
from gateway.phases.hearing import Hearing
from gateway.phases.identify import Identify
from gateway.phases.immune_settings import ImmuneSettings
from gateway.phases.inspect import Inspect
from gateway.phases.judging_requests import JudgingRequests
from gateway.phases.note_requests import NoteRequests
from gateway.phases.note_results import NoteResults
from gateway.phases.owing import Owing
from gateway.phases.past_calls import PastCalls
from gateway.phases.policies import InForce, Policies, in_force
from gateway.phases.profile import Profiler
from gateway.phases.prove import Prove
from gateway.phases.refine import Refine
from gateway.phases.relayed_models import RelayedModels
from gateway.phases.reserve import Reserve
from gateway.phases.rewrite import Rewrite
from gateway.phases.route_agents import RouteAgents
from gateway.phases.settle import Observer, Settle
from gateway.phases.timeouts import Timeouts
from gateway.phases.tokens import IssuerTokens
from gateway.pipeline import Pipeline
from gateway.policy.document import Document
from gateway.policy.engine import Engine
from gateway.pricing.calibration import Calibration
from gateway.pricing.price import Price
from gateway.pricing.table import Prices
from gateway.settings import Secrets, Settings, SettingsError
from gateway.settings.mcp_servers import load_mcp_servers
from gateway.settings.policies import load_policies, policy_files_state
from gateway.settings.prices import load_prices
from gateway.store.running import Running
from gateway.telemetry.process import Process
from gateway.telemetry.telemetry import Surroundings, Telemetry
from gateway.telemetry.upkeep import approving, guarding, judging, limiting, noticing, operating, shipping, upkeep
from gateway.upstream.breaker import Breaker
from gateway.upstream.client import Client
from gateway.upstream.providers import Provider, Providers
from gateway.wire.interdiction import HoldBudget

log = logging.getLogger("gateway")

_BODY_BYTES = 512 * 1024 * 1024
_HELD_BYTES = 256 * 1024 * 1024


class Path:
    """Everything an exchange passes."""

    def __init__(self, settings: Settings, kept: Secrets, state: State, recording: Recording) -> None:
        self._settings, self._state, self._recording = settings, state, recording
        self._wall_clock = time.time  # noqa: TID251 - sightings are dated
        self.timeouts = Timeouts(**settings.timeouts.model_dump())
        self._breaker = breaker = Breaker(random.random)
        self._note_health, self.provider_health = watched_health(state.store, breaker, state.control.replica)
        self.client = Client(
            connect=self.timeouts.connect, may_retry=lambda provider: not breaker.is_open(provider.name)
        )
        self.active: set[Exchange] = set()
        self.noticing = Noticing(kept, state, lambda agent: self.immune_settings.of(agent))
        self.guard = self._guard()
        self.prices = Prices(self._provider_url, clock=time.time, own=load_prices(settings))  # noqa: TID251 - dates
        self.policies = Policies(prescribed=prescribed(state, lambda: self._settings))
        self.immune_settings = ImmuneSettings(self.policies, settings.enforcement == "shadow")
        self.merge_policies = MergePolicies(
            state.policies, self.policies, load_policies(settings), partial(_in_force, settings)
        )
        self.reserve = self._reserving()
        self.policies_refused = 0
        tokens, self.jwks = self._tokens(kept)
        self.prover = Prove(state.identities.verified, tokens)
        self.process = Process(time.monotonic)
        self.presenting = present(settings, state, self._wall_clock)
        unsanctioned = self.noticing.evidence.unsanctioned
        self.judging = judge(settings, kept, state, recording, self._wall_clock, unsanctioned)
        self.hearing = Hearing(self.judging.of, state.given, state.memory, self.judging.decisions)
        self.results = NoteResults(self.engine_of, state.results_seen)
        self.telemetry = self._telemetry(kept)
        self.bodies = HoldBudget(max(_BODY_BYTES, settings.max_body_bytes))
        self.identify = self._identify(kept)
        self.forward = forward_phase(
            settings, self.client, self._breaker, self.timeouts, own_keys(kept), self.telemetry.outgoing
        )
        profiler = Profiler(root_of(kept), clock=time.monotonic, chains=state.chains)
        self.treating = treat(kept, state, self.policies, profiler, self._goes_to_openai)
        self.pipeline = self._pipeline(kept, profiler)
        self.mcp = MCPPath(settings, kept, state, recording, self)
        self.merge_providers = MergeProviders(state.made_providers, *builders(settings), self._use_providers)

    def engine_of(self, exchange: Exchange) -> Engine:
        """The policies that an exchange is judged by, from end to end."""
        return self.policies.of(exchange).engine

    def duties(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What has to go on as long as the process serves."""
        timeouts = self.timeouts
        tick = min(0.25, min(timeouts.first_byte, timeouts.idle, timeouts.whole, timeouts.total) / 8)
        return (
            *([] if self.jwks is None else [self.jwks.run()]),
            self._drains().run(),
            self.provider_health.run(),
            self.process.watch(),
            self.noticing.likeness.run(),
            follow_files("The policy documents", lambda: policy_files_state(self._settings), self._reload_policies),
            watch_deadlines(self.active, time.monotonic, tick=tick),
        )

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these providers, prices, policies and keys. Raises SettingsError, and then changes nothing."""
        own_prices, documents, building = load_prices(settings), load_policies(settings), builders(settings)
        self.mcp.use(settings, kept)
        self._settings = settings
        self.merge_providers.use(*building)
        self.merge_policies.use(documents, partial(_in_force, settings))
        self.prices.own = own_prices
        self.prices.forget()
        self.forward.own_keys = self.identify.own_keys = own_keys(kept)

    @property
    def providers(self) -> Providers:
        return self.forward.providers

    # The parts

    def _drains(self) -> EndDrains:
        state = self._state
        return EndDrains(
            state.quarantine,
            state.control,
            Running(state.store, state.control.replica),
            cut=self.guard.cut,
            runs=lambda agent_id: any(one.agent is not None and one.agent.agent_id == agent_id for one in self.active),
            clock=time.monotonic,
        )

    def _guard(self) -> Guard:
        return Guard(
            self._state.control,
            self._state.quarantine,
            self.active,
            strict=self._settings.on_state_loss == "strict",
            audit=self._recording.log.later,
            evaded=self.noticing.evidence.evaded,
            clock=self._wall_clock,
        )

    def _reserving(self) -> Reserve:
        state, workers = self._state, self._settings.workers
        return Reserve(
            state.limits,
            self.policies,
            price=self._price,
            replicas=lambda: max(state.limits.replicas, workers),
            why_throttled=partial(why_throttled, state),
            spent=self.noticing.evidence.spent,
            clock=time.monotonic,
        )

    def _judging_requests(self) -> JudgingRequests:
        return JudgingRequests(
            self.engine_of,
            self.judging.decisions,
            modes=self._state.modes.of,
            clock=self._wall_clock,
        )

    def _relayed_models(self, bodies: HoldBudget) -> RelayedModels:
        return RelayedModels(
            self.engine_of,
            self.judging.decisions,
            bodies,
            limit=self._settings.max_body_bytes,
            modes=self._state.modes.of,
            clock=self._wall_clock,
        )

    def _past_calls(self) -> PastCalls:
        return PastCalls(
            self.engine_of,
            self.hearing.of,
            self._state.given,
            modes=self._state.modes.of,
            clock=self._wall_clock,
            memories=self._state.memory,
        )

    def _noting(self) -> tuple[NoteRequests, ...]:
        calls = self._state.calls
        return (NoteRequests(calls.note, self._state.modes.of, self._wall_clock),) if calls.on else ()

    def _pipeline(self, kept: Secrets, profiler: Profiler) -> Pipeline:
        settings, state, record = self._settings, self._state, self._recording.phase
        refine, owing, earlier = self._refine(), Owing(state.withheld), Earlier(root_of(kept), state.said)
        routes, presenting = RouteAgents(state.routes.provider_of), self.presenting.gate
        noticing, treating = self.noticing, self.treating
        identified: tuple[Gate, ...] = (profiler, refine, routes, self.guard, *noticing.known)
        known: tuple[Gate, ...] = (*identified, treating.gate, *noticing.changed, presenting)
        past = self._past_calls()
        requests = (self._judging_requests().gate, self._relayed_models(self.bodies).gate, past.gate)
        judged: tuple[Gate, ...] = (*self._noting(), *requests, owing.gate, earlier.gate, self.hearing.gate)
        remembered = (profiler.observe, refine.observe, owing.observe, earlier.observe, treating.observe)
        return Pipeline(
            self.identify,
            Admit(
                self.bodies,
                judged_limit=settings.max_body_bytes,
                relayed_limit=settings.max_relayed_bytes,
                gates=(*known, *judged, self.results, self.reserve, record.decide),
            ),
            Rewrite(self._goes_to_openai),
            self.forward,
            Inspect(
                self.guard.judging(past.of),
                HoldBudget(_HELD_BYTES),
                self.timeouts,
                time.monotonic,
                self.begun,
                noticing.capping,
            ),
            self._settle(
                (*remembered, *noticing.observers, self.reserve.settle, record.outcome, self.telemetry.observe)
            ),
            begin=self.telemetry.begin,
            active=self.active,
            over=self.telemetry.over,
        )

    def _identify(self, kept: Secrets) -> Identify:
        state = self._state
        return Identify(
            state.fingerprinter,
            own_keys(kept),
            prover=self.prover,
            ids=state.credentials,
            rules=state.identities.rules,
            proof_required=self._settings.require_agent_key,
            gates=(self.guard, self.presenting.gate),
        )

    def _settle(self, observers: tuple[Observer, ...]) -> Settle:
        return Settle(
            self._state.credentials,
            self._breaker,
            clock=time.monotonic,
            wall_clock=time.time,  # noqa: TID251 - vitals are dated by the wall clock
            observers=(*observers, self._note_health),
            price=self.prices.price,
            calibration=Calibration(),
        )

    def _refine(self) -> Refine:
        state = self._state
        return Refine(
            state.fingerprinter,
            state.forms,
            state.credentials,
            state.identities.rules,
            state.fingerprinter.form_key,
            clock=time.monotonic,
        )

    def _tokens(self, kept: Secrets) -> tuple[IssuerTokens | None, FollowJWKS | None]:
        given, clock = self._settings.jwt, time.time  # noqa: TID251 - tokens expire at a date
        if given is None:
            return None, None
        reader = TokenReader(given.issuer, given.audience, given.claim, root_of(kept), clock=clock)
        jwks = FollowJWKS(given.jwks, reader.use, clock=time.monotonic)
        return IssuerTokens(reader, jwks.refresh), jwks

    def _telemetry(self, kept: Secrets) -> Telemetry:
        around = Surroundings(
            os.environ,
            time.monotonic,
            time.time,  # noqa: TID251 - spans and points are dated by the wall clock
            random.Random(secrets.randbits(256)).getrandbits,
            __version__,
            worker_id(os.environ),
            known_secrets(self._settings, kept),
        )
        state, lives = self._state, self._state.quarantine.blocked
        numbers = upkeep(
            state.store,
            state.agents,
            self._recording.log,
            state.missing,
            lambda: [life.state for life in lives.values()],
            __version__,
        )
        ship = self._recording.keeper.ship
        observed = [
            *numbers,
            *shipping(self._recording.log, lambda: ship.shipped),
            *guarding(self.guard),
            *noticing(self.noticing.looping, self.noticing.capping, state.watch_feed),
            *judging(self.judging.decisions.calls),
            *approving(lambda: state.approvals.waits.waiting, state.webhooks),
            *limiting(self.reserve, state.limits, lambda: self.policies_refused),
            *operating(lambda: state.calls.lost, lambda: len(state.policies.unreadable)),
            *state.immune_numbers.instruments(),
            *self.process.instruments(),
        ]
        return Telemetry(around, propagate=self._settings.propagate_trace, observed=observed)

    # What the parts ask each other

    def begun(self, exchange: Exchange) -> None:
        """An agent can be seen, and stopped, from the head of its first answer on: that answer may be long."""
        agent, now = exchange.agent, self._wall_clock()
        if agent is not None and not self._state.agents.has_begun(agent.agent_id, now):
            self._state.credentials.begun(
                agent,
                time=now,
                client=exchange.request.header(b"user-agent"),
                address=exchange.request.client,
            )

    def _use_providers(self, providers: Providers) -> None:
        self.forward.providers = providers

    def _provider_url(self, name: str) -> str | None:
        provider = self.providers.by_name.get(name)
        return None if provider is None else provider.url

    def _price(self, exchange: Exchange) -> Price | None:
        """What the model of a judged request costs at the provider it will be sent to."""
        return self.prices.price(self._provider_of(exchange).name, _model_of(exchange))

    def _goes_to_openai(self, exchange: Exchange) -> bool:
        """Raises Refusal where no provider is there for it."""
        return self._provider_of(exchange).is_openai

    def _provider_of(self, exchange: Exchange) -> Provider:
        """The same for as long as the exchange lasts. Raises Refusal."""
        chosen: Provider | None = exchange.chosen
        if chosen is None:
            chosen = exchange.chosen = self.providers.choose(exchange.route, _model_of(exchange), exchange.routed)
        return chosen

    async def _reload_policies(self) -> None:
        settings = self._settings
        try:
            # Reading and trying cases takes longer than open streams may wait.
            read = await asyncio.to_thread(load_policies, settings)
        except SettingsError as error:
            self.policies_refused += 1
            log.error("The policy documents stay as they were: %s", "; ".join(error.problems))
            return
        if settings is self._settings:  # else others were taken over meanwhile, with newer settings
            self.merge_policies.use(read, partial(_in_force, settings))
            log.info("Read the policy documents again")


def _model_of(exchange: Exchange) -> str | None:
    return exchange.route.deployment or (exchange.ask.model if exchange.ask else None)


def _in_force(settings: Settings, documents: Sequence[Document], before: InForce) -> InForce:
    servers = load_mcp_servers(settings).names
    return in_force(documents, shadow=settings.enforcement == "shadow", servers=servers, before=before)
