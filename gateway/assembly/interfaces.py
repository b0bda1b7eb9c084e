"""What is served beside the data plane: probes, admin API, agents' API; and which listener serves what."""

import random
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from gateway.assembly.immune_operations import ImmuneOperations
from gateway.assembly.intents import IntentOperations
from gateway.assembly.keys import ingest_key, root_of
from gateway.assembly.path import Path
from gateway.assembly.policies import PolicyOperations
from gateway.assembly.recording import Recording
from gateway.assembly.state import State
from gateway.background.follow_files import follow_files
from gateway.edge.admin import (
    admin_keys,
    agent_keys,
    approvals,
    audit,
    events,
    metrics,
    mode,
    providers,
    routes,
    tools,
    usage,
    vitals,
)
from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.application import admin_application
from gateway.edge.admin.backoff import Backoff
from gateway.edge.admin.changes import Changes
from gateway.edge.admin.healing import Healer
from gateway.edge.admin.mode import modes_of
from gateway.edge.agents_api import enforce, ingest, logs, register
from gateway.edge.agents_api.access import AgentsAccess, own_agent
from gateway.edge.agents_api.application import agents_application
from gateway.edge.agents_api.pace import Pace
from gateway.edge.asgi import App
from gateway.edge.certificate import Certificate
from gateway.edge.dashboard import page, sign_in
from gateway.edge.dashboard.sessions import LONGEST_SECONDS, Sessions
from gateway.edge.data_plane import DataPlane
from gateway.edge.dispatch import Dispatch
from gateway.edge.mcp import MCPPlane
from gateway.edge.probes import Probes
from gateway.edge.server import Listener
from gateway.model.agent import Agent
from gateway.phases.approving import Approving
from gateway.phases.enforcing import Enforcing
from gateway.phases.holding import Holding
from gateway.phases.identify import check_active
from gateway.pipeline import Pipeline
from gateway.settings import Secrets, Settings
from gateway.store.audit_query import AuditQuery
from gateway.store.ended_sessions import EndedSessions
from gateway.store.usage import UsageLog
from gateway.store.vitals import VitalsLog
from gateway.telemetry.upkeep import serving

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Interfaces:
    """Everything that answers HTTP.

    Args:
        ready: whether this process should get traffic.
        stopping: whether it is on its way out.
        healer: heals agents when operators want it.
    """

    def __init__(
        self,
        settings: Settings,
        kept: Secrets,
        state: State,
        recording: Recording,
        path: Path,
        healer: Healer,
        *,
        ready: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self._settings, self._state, self._recording, self._path = settings, state, recording, path
        self._ready, self._stopping = ready, stopping
        self._policies = PolicyOperations(settings, state, path)
        self._clock = time.time  # noqa: TID251 - what operators read carries dates
        self._changes = Changes(audit=recording.log.append, notify=state.events.notify, clock=self._clock)
        self._agents_access = AgentsAccess(
            ingest_key(kept), path.prover, Backoff(time.monotonic), trusted_proxies=settings.trusted_proxies
        )
        self._sessions = Sessions(
            root_of(kept),
            EndedSessions(state.store, keep_seconds=LONGEST_SECONDS + 3600),
            clock=self._clock,
            new_id=lambda: secrets.token_urlsafe(12),
        )
        self._access = AdminAccess(
            kept.admin_key.get_secret_value(),
            state.admin_keys,
            Backoff(time.monotonic),
            self._changes.refused,
            trusted_proxies=settings.trusted_proxies,
            sessions=self._sessions,
        )

        self._intents = IntentOperations(
            settings, state, path, access=self._access, lifecycle=self._lifecycle, pace=self._pace
        )

        self._immune = ImmuneOperations(state, healer, clock=self._clock)
        self.certificate = _certificate(settings)
        path.telemetry.add(serving(self.certificate))

    def duties(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What has to go on as long as the process serves."""
        found = self.certificate
        if found is None:
            return ()
        return (follow_files("The certificate", found.look, found.follow, loaded=found.loaded),)

    def use(self, kept: Secrets) -> None:
        """From now on these keys, and the certificate that the files hold now."""
        if self.certificate is not None:
            self.certificate.reread()
        self._access.use(kept.admin_key.get_secret_value())
        self._agents_access.use(ingest_key(kept))

    def listeners(self, sockets: Mapping[str, Sequence[socket.socket]]) -> list[Listener]:
        """The data plane on `main`, the admin API beside it or, if there are such sockets, on `admin` alone."""
        settings = self._settings
        probes = Probes(ready=self._ready, missing=self._missing)
        admin, web = self._admin(), page.Page(page.files())
        hosts = (*_LOOPBACK_NAMES, settings.host, *settings.allowed_hosts)
        apart = "admin" in sockets
        beside = Dispatch(
            data_plane=self._data_plane(DataPlane, self._path.pipeline),
            admin=None if apart else admin,
            page=None if apart else web,
            probe=probes,
            allowed_hosts=hosts,
            agents=self._agents_api(),
            jwks=self._intents.jwks,
            mcp=self._data_plane(MCPPlane, self._path.mcp.pipeline),
            allowed_origins=settings.cors_origins,
        )
        found = [Listener(beside, sockets["main"], self.certificate)]
        if apart:
            alone = Dispatch(
                data_plane=None, admin=admin, page=web, probe=probes, allowed_hosts=hosts, jwks=self._intents.jwks
            )
            found.append(Listener(alone, sockets["admin"], self.certificate))
        return found

    def _missing(self) -> list[str]:
        """What this process runs without; without its record it refuses nearly everything."""
        return [*self._state.missing(), *(["audit"] if self._recording.log.problem is not None else [])]

    def _data_plane(self, plane: type[DataPlane], pipeline: Pipeline) -> DataPlane:
        return plane(
            pipeline,
            new_id=request_ids(),
            clock=time.monotonic,
            degraded=lambda: ",".join(self._state.missing()),
            trusted_proxies=self._settings.trusted_proxies,
        )

    def _agents_api(self) -> App:
        """What agents themselves may ask, below `/api/v1`."""
        state = self._state
        reports = ingest.router(
            state.agents,
            state.identities.registry.make,
            self._path.prices.price,
            watched=state.watch_feed.vitals,
            clock=self._clock,
            new_id=request_ids(),
        )
        routers = [
            register.router(state.identities),
            reports,
            self._enforce(),
            self._logs(),
            *self._intents.of_agents(),
        ]
        return agents_application(access=self._agents_access, routers=routers)

    async def _lifecycle(self, agent: Agent) -> None:
        """Raises Refusal for an agent that may do nothing now."""
        check_active(agent, self._state.identities.rules)
        await self._path.guard.admit(agent)

    def _enforce(self) -> APIRouter:
        state, path, rules = self._state, self._path, self._state.identities.rules
        enforcing = Enforcing(
            lambda agent: path.policies.about(agent).engine,
            path.judging.decisions,
            lifecycle=self._lifecycle,
            modes=state.modes.of,
            memories=state.memory,
            approving=Approving(state.approvals),
            holding=Holding(path.presenting, state.intents, new_id=request_ids()),
            clock=self._clock,
        )
        own = own_agent(rules, even_inactive=True)
        return enforce.router(enforcing, own, self._pace("enforce", 6000), redact=self._recording.redact)

    def _logs(self) -> APIRouter:
        recording = self._recording
        return logs.router(
            AuditQuery(recording.keeper.copy),
            recording.log.append,
            own_agent(self._state.identities.rules),
            write_pace=self._pace("logs", 600),
            read_pace=self._pace("log_pages", 60),
            redact=recording.redact,
            clock=self._clock,
        )

    def _pace(self, name: str, most: int) -> Pace:
        limits, workers = self._state.limits, self._settings.workers
        return Pace(
            limits,
            name,
            most,
            replicas=lambda: max(limits.replicas, workers),
            clock=time.monotonic,
            new_id=request_ids(),
        )

    def _admin(self) -> App:
        return admin_application(
            access=self._access,
            changes=self._changes,
            routers=[*self._about_agents(), *self._about_the_gateway()],
            cors_origins=self._settings.cors_origins,
        )

    def _about_agents(self) -> list[APIRouter]:
        """One a noun, in the order of the documentation."""
        state = self._state
        return [
            self._immune.agents(),
            agent_keys.router(state.agents, state.identities, clock=self._clock),
            self._policies.of_agents(),
            *self._immune.of_agents(),
            vitals.router(state.agents, VitalsLog(state.store)),
        ]

    def _about_the_gateway(self) -> list[APIRouter]:
        state, path = self._state, self._path
        return [
            self._immune.stats(),
            usage.router(UsageLog(state.store), clock=self._clock),
            metrics.router(path.telemetry.scrape),
            providers.router(
                lambda: path.providers,
                state.made_providers,
                state.routes,
                lambda made: path.merge_providers.make(made),
                health=path.provider_health.read,
            ),
            routes.router(state.routes, lambda: path.providers, self._is_agent),
            *self._policies.routers(),
            approvals.router(state.approvals, note=self._changes.note, clock=self._clock),
            mode.router(
                state.modes,
                state.control,
                lambda: modes_of(self._path.policies.current.engine.documents),
                self._is_agent,
                note=self._changes.note,
                notify=state.events.notify,
            ),
            audit.router(self._recording.keeper.copy, self._recording.keeper),
            *self._intents.of_operators(),
            tools.router(
                state.tool_pins,
                state.control,
                state.approvals,
                note=self._changes.note,
                notify=state.events.notify,
                clock=self._clock,
            ),
            admin_keys.router(state.admin_keys, clock=self._clock),
            sign_in.router(self._access, self._sessions),
            events.router(state.events, self._access, stopping=self._stopping),
        ]

    async def _is_agent(self, agent_id: str) -> bool:
        return await self._state.agents.get(agent_id) is not None


def _certificate(settings: Settings) -> Certificate | None:
    """Raises TLSUnusable."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Certificate(settings.tls_cert_file, settings.tls_key_file)


def request_ids() -> Callable[[], str]:
    """Ids that never meet, on any replica; they are no secret, so they need no system call each."""
    bits = random.Random(secrets.randbits(256)).getrandbits
    return lambda: f"req_{bits(96):024x}"
