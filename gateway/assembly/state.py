"""Every noun that is kept in Redis, over one connection, and the duties that keep it."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import __version__
from gateway.assembly.keys import root_of
from gateway.background.forget_idle_agents import forget_idle_agents
from gateway.background.send_webhooks import SendWebhooks
from gateway.background.webhook import Webhook
from gateway.edge.admin.shapes import rfc3339
from gateway.identity.fingerprint import Fingerprinter
from gateway.policy.secrets import redact
from gateway.settings import Secrets, Settings
from gateway.store.admin_keys import AdminKeys
from gateway.store.agent_caps import AgentCaps
from gateway.store.agents import Agents
from gateway.store.answer_notes import AnswerNotes
from gateway.store.approvals import Approvals
from gateway.store.call_tokens import CallTokens
from gateway.store.calls import CallLog
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.control_file import ControlFile
from gateway.store.credentials import Credentials
from gateway.store.events import Events
from gateway.store.fleet import Fleet
from gateway.store.forms import Forms
from gateway.store.given_calls import GivenCalls
from gateway.store.grants import Grants
from gateway.store.identities import Identities
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents
from gateway.store.intents import Intents
from gateway.store.key_ring import SharedKeyRing
from gateway.store.known_clients import KnownClients
from gateway.store.limits import Limits
from gateway.store.memory import ActionMemory
from gateway.store.modes import Modes
from gateway.store.policies import MadePolicies
from gateway.store.prescriptions import Prescriptions
from gateway.store.prompts import Prompts
from gateway.store.providers import MadeProviders
from gateway.store.quarantine import Quarantine
from gateway.store.results_seen import ResultsSeen
from gateway.store.routes import Routes
from gateway.store.sealed import Seal
from gateway.store.tool_pins import ToolPins
from gateway.store.vitals import Kept, Packing
from gateway.store.watch_feed import WatchFeed
from gateway.store.watch_partitions import WatchPartitions
from gateway.store.watched_agents import WatchedAgents
from gateway.store.webhooks import WebhookQueues
from gateway.telemetry.immune_numbers import ImmuneNumbers

_RESETS_SECONDS = 7 * 86_400


class State:
    """What one process knows of the deployment's state.

    Args:
        redis_url: where it is; the embedded server has been started by now.
    """

    def __init__(self, settings: Settings, kept: Secrets, redis_url: str) -> None:
        root, retention = root_of(kept), settings.retention
        clock, monotonic = time.time, time.monotonic  # noqa: TID251 - what is kept carries a date
        self._idle_seconds = retention.idle_agents
        self.store = Connection(redis_url, prefix=settings.redis_prefix)
        copy = ControlFile.of(settings.data_dir, redis_url, settings.redis_prefix)
        self.control = Control(self.store, clock=monotonic, file=copy)
        self.quarantine = Quarantine(self.control, self.store, clock=clock)
        self.routes = Routes(self.control)
        self.identities = Identities.over(
            self.store,
            self.control,
            root,
            clock=clock,
            monotonic=monotonic,
            choose=secrets.choice,
            random_bytes=secrets.token_bytes,
        )
        self.made_providers = MadeProviders(self.control, Seal(root, "provider keys", secrets.token_bytes))
        self.admin_keys = AdminKeys(self.store, root, clock=clock, choose=secrets.choice)
        packing = self._packing = Packing()
        self.agents = Agents(
            self.store, clock=clock, kept=Kept(retention.vitals_count, retention.vitals), packed=packing
        )
        self.fingerprinter = Fingerprinter(root)
        self.credentials = Credentials(
            self.store,
            self.agents.seen,
            self.fingerprinter.shared,
            clock=monotonic,
            keep_seconds=self._idle_seconds,
            begun=self.agents.begun,
        )
        self._begin_noting()
        self.limits = Limits(self.store, clock=monotonic)
        self.events = Events(self.store, clock=clock)
        self._begin_judging(settings, root, clock)
        self._begin_intents(root, clock, monotonic)
        self._begin_watching(settings, root, clock, monotonic)
        self.webhooks = _sender(self.approvals, self.store)
        self.use(settings)

    def _begin_noting(self) -> None:
        """What is remembered of requests, and of answers that they may go on from."""
        keys = self.store.keys
        self.forms = Forms(self.store, keep_seconds=self._idle_seconds)
        self.chains = AnswerNotes(self.store, keys.chain, waiting=10_000)
        self.withheld = AnswerNotes(self.store, keys.withheld)
        self.said = AnswerNotes(self.store, keys.said)
        self.trails = AnswerNotes(self.store, keys.trail, waiting=10_000)
        self.resets = AnswerNotes(self.store, keys.reset, waiting=10_000, seconds=_RESETS_SECONDS)

    def _begin_judging(self, settings: Settings, root: bytes, clock: Callable[[], float]) -> None:
        """What calls are judged by, and what is kept of them."""
        self.modes = Modes(self.control, clock=clock)
        self.policies = MadePolicies(self.control, self.store, clock=clock)
        self.calls = CallLog(self.store, life=_calls_life(settings), redact=redact)
        self.memory = ActionMemory(self.store, root)
        self.given = GivenCalls(self.store, root, clock=clock)
        self.approvals = Approvals(self.store, clock=clock, notify=self.events.notify, cover=redact)
        self.tool_pins = ToolPins(self.control, self.store, clock=clock)
        self.approvals.effects["tool_definition"] = self.tool_pins.approved

    def _begin_intents(self, root: bytes, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """What agents declare, and what proves it."""
        seal = Seal(root, "token keys", secrets.token_bytes)
        self.token_keys = SharedKeyRing(self.control, seal, clock=clock, random_bytes=secrets.token_bytes)
        self.intents = Intents(self.store, self.control, clock=clock)
        self.call_tokens = CallTokens(self.store, clock=clock)
        self.grants = Grants(self.store, before=self.intents.before)
        self.results_seen = ResultsSeen(self.store, clock=monotonic)

    def _begin_watching(
        self, settings: Settings, root: bytes, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """What is known of how agents are, and what was done about it."""
        self.watch_feed = WatchFeed(self.store, packed=self._packing)
        self.agent_caps = AgentCaps(self.store, clock=monotonic)
        self.known_clients = KnownClients(self.store, keep_seconds=self._idle_seconds, clock=monotonic)
        self.prompts = Prompts(
            self.store,
            Seal(root, "prompts", secrets.token_bytes),
            keep_seconds=self._idle_seconds,
            clock=monotonic,
        )
        self.watch_partitions = WatchPartitions(
            self.store, replica=self.control.replica, clock=monotonic, keep_seconds=self._idle_seconds
        )
        self.watched_agents = WatchedAgents(self.store)
        self.incidents = Incidents(self.store, clock=clock, keep_seconds=settings.retention.incidents)
        self.immune_counts = ImmuneCounts(self.store, clock=monotonic)
        self.fleet = Fleet(self.store, clock=clock)
        self.prescriptions = Prescriptions(self.control)
        partitions = self.watch_partitions
        self.immune_numbers = ImmuneNumbers(monotonic, lambda: len(partitions.held), self.agents.tally)
        self.quarantine.on_moved.append(self.immune_numbers.transition)
        self.incidents.on_change.append(self.immune_numbers.incident)

    def use(self, settings: Settings) -> None:
        """From now on these webhooks; all else stays as it was started."""
        self.webhooks.use([Webhook(one.url, one.secret.get_secret_value(), one.events) for one in settings.webhooks])

    def duties(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What has to go on as long as the process serves."""
        return (
            self.store.watch(),
            self.control.run(),
            forget_idle_agents(self.identities.registry, idle_seconds=self._idle_seconds),
            self._keep_sightings(),
            self.forms.run(),
            self.chains.run(),
            self.withheld.run(),
            self.said.run(),
            self.resets.run(),
            self.given.run(),
            self.limits.run(),
            self.events.run(),
            self.approvals.run(),
            self.webhooks.run(),
            self.calls.run(),
            self.watch_feed.run(),
            self.trails.run(),
            self.agent_caps.run(),
            self.prompts.run(),
            self.known_clients.run(),
        )

    async def _keep_sightings(self) -> None:
        agents = asyncio.create_task(self.agents.run())
        try:
            await self.credentials.run()
        finally:  # which hands on what it has left: only then are agents written for the last time
            agents.cancel()
            await asyncio.gather(agents, return_exceptions=True)

    def missing(self) -> list[str]:
        """What cannot be reached at the moment, as `x-gateway-degraded` says it."""
        return [] if self.store.healthy and self.control.leased else ["redis"]


def _calls_life(settings: Settings) -> float | None:
    """Seconds that recorded calls are kept."""
    return None if settings.record_calls is None else min(settings.record_calls, settings.retention.calls)


def _sender(approvals: Approvals, store: Connection) -> SendWebhooks:
    return SendWebhooks(
        approvals,
        WebhookQueues(store),
        clock=time.time,  # noqa: TID251 - what is sent carries a date
        jitter=random.random,
        rfc3339=rfc3339,
        version=__version__,
    )
