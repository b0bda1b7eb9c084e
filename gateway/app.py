"""The composition root: builds every object, owns start and stop. Nobody imports it but the command line."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import resource
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from gateway import __version__
from gateway.background.watch_deadlines import watch_deadlines
from gateway.demo.stub import StubModels
from gateway.demo.stub_turns import read_script
from gateway.edge.admin.access import AdminAccess
from gateway.edge.admin.application import admin_application
from gateway.edge.data_plane import DataPlane
from gateway.edge.dispatch import Dispatch
from gateway.edge.drain import Drain
from gateway.edge.probes import Probes
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind, inherited_sockets, tls_context, url_of
from gateway.edge.workers import run_workers, watch_parent
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.verdict import Judge, allow_all
from gateway.phases.admit import Admit
from gateway.phases.forward import Forward
from gateway.phases.identify import Identify
from gateway.phases.inspect import Inspect
from gateway.phases.model_list import ModelList
from gateway.phases.rewrite import Rewrite
from gateway.phases.settle import Settle
from gateway.phases.timeouts import Timeouts
from gateway.pipeline import Pipeline
from gateway.settings import Secrets, Settings, SettingsError, read_yaml, resolve_secrets
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.schema import prepare
from gateway.store.stats import Stats
from gateway.telemetry import logs
from gateway.upstream.breaker import Breaker
from gateway.upstream.client import Client
from gateway.upstream.providers import STUB, Provider, Providers
from gateway.wire.interdiction import HoldBudget

log = logging.getLogger("gateway")

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_BACKLOG = 2048
_MOST_CONNECTIONS = 500_000
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
        self.agents = Agents(self.store, clock=time.time)  # noqa: TID251 - records are dated by the wall clock
        breaker = Breaker(random.random)
        self.client = Client(connect=timeouts.connect, may_retry=lambda provider: not breaker.is_open(provider.name))
        self.pipeline = Pipeline(
            Identify(Fingerprinter(kept.secret.get_secret_value().encode()), own_keys),
            Admit(
                HoldBudget(max(_BODY_BYTES, settings.max_body_bytes)),
                judged_limit=settings.max_body_bytes,
                relayed_limit=settings.max_relayed_bytes,
            ),
            Rewrite(),
            self._forward(breaker, timeouts, own_keys),
            Inspect(judge, HoldBudget(_HELD_BYTES), timeouts, time.monotonic),
            Settle(self.agents, breaker, clock=time.monotonic, wall_clock=time.time),  # noqa: TID251 - as above
        )
        self.drain = Drain(
            self.pipeline.active,
            whole_seconds=timeouts.drain_whole,
            stream_seconds=timeouts.drain_stream,
            clock=time.monotonic,
        )
        self.tick = min(0.25, min(timeouts.first_byte, timeouts.idle, timeouts.whole, timeouts.total) / 8)
        self.ready = False
        self._access = AdminAccess(kept.admin_key.get_secret_value())

    def listeners(self, sockets: Mapping[str, Sequence[socket.socket]]) -> list[Listener]:
        """The data plane on `main`, the admin API beside it or, if there are such sockets, on `admin` alone."""
        settings = self.settings
        context = None
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            context = tls_context(settings.tls_cert_file, settings.tls_key_file)
        probes = Probes(ready=lambda: self.ready and not self.drain.draining, missing=self._missing)
        data_plane = DataPlane(
            self.pipeline, new_id=_request_ids(), clock=time.monotonic, degraded=lambda: ",".join(self._missing())
        )
        totals = Stats(self.store, clock=time.time)  # noqa: TID251 - runtime counts from a date
        admin = admin_application(
            access=self._access, agent_store=self.agents, totals=totals, cors_origins=settings.cors_origins
        )
        hosts = frozenset((*_LOOPBACK_NAMES, settings.host.lower(), *(h.lower() for h in settings.allowed_hosts)))
        apart = "admin" in sockets
        beside = Dispatch(data_plane=data_plane, admin=None if apart else admin, probe=probes, allowed_hosts=hosts)
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
        duties = [
            asyncio.create_task(duty)
            for duty in (
                self.store.watch(),
                self.agents.run(),
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
            await self.client.close()
            await self.store.close()

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
        )

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these providers and keys; all else stays as it was started."""
        self.pipeline.forward.providers = _providers(settings)
        self.pipeline.forward.own_keys = self.pipeline.identify.own_keys = _own_keys(kept)
        self._access.use(kept.admin_key.get_secret_value())

    def _missing(self) -> list[str]:
        return [] if self.store.healthy else ["redis"]


def serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    """Run the gateway until it is told to stop; the process's exit code.

    Args:
        reread: reads the settings again, at SIGHUP; raises SettingsError.
    """
    logs.configure(settings.log_level, settings.log_format)
    code: int = uvloop.run(_serve(settings, reread))
    return code


async def _serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    inherited = inherited_sockets(os.environ)
    if inherited is not None:
        assert settings.redis_url is not None
        await _work(settings, reread, resolve_secrets(settings), settings.redis_url, inherited)
        return 0
    async with _redis(settings) as redis_url:
        kept = resolve_secrets(settings)
        sockets = {"main": bind(settings.host, settings.port)}
        if settings.admin_port is not None:
            sockets["admin"] = bind(settings.host, settings.admin_port)
        if settings.workers > 1:
            for sock in (sock for group in sockets.values() for sock in group):
                sock.listen(_BACKLOG)  # who comes before a worker is up waits, instead of being turned away
            _announce(settings, kept, sockets)
            return await run_workers(settings.workers, _worker_command(), sockets, env=_worker_env(kept, redis_url))
        await _work(settings, reread, kept, redis_url, sockets, announce=True)
        return 0


@contextlib.asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[str]:
    """The URL of the Redis in use; a private one runs for the length of the block if none is set."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    embedded = EmbeddedRedis(settings.data_dir)
    url = await embedded.start()
    try:
        yield url
    finally:
        await embedded.stop()


async def _work(
    settings: Settings,
    reread: Callable[[], Settings],
    kept: Secrets,
    redis_url: str,
    sockets: Mapping[str, Sequence[socket.socket]],
    *,
    announce: bool = False,
) -> None:
    gateway = Gateway(settings, kept, redis_url)

    def hang_up() -> None:
        try:
            again = reread()
            gateway.use(again, resolve_secrets(again))
            log.info("Read providers and keys again")
        except SettingsError as error:
            log.error("Nothing is changed, the settings are wrong: %s", "; ".join(error.problems))

    server = Server(
        gateway.listeners(sockets), hooks=gateway.drain, max_connections=_room_for_connections(), on_hangup=hang_up
    )
    watch_parent(os.environ, server.stop)
    async with gateway.running():
        _collect_seldom()
        serving = asyncio.create_task(server.serve())
        if announce:
            await server.started.wait()
            _announce(settings, kept, sockets)
        await serving


def _collect_seldom() -> None:
    """Let the collector of cycles leave alone what was made at start, and look at the rest less often.

    Requests leave no cycles behind, so there is next to nothing to find; but beside thousands of streams each full
    look stops the loop for some hundred milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 5)


def _announce(settings: Settings, kept: Secrets, sockets: Mapping[str, Sequence[socket.socket]]) -> None:
    """What whoever starts the gateway needs first."""
    url = url_of(sockets["main"][0], tls=settings.tls)
    for notice in settings.notices:
        print(f"leuko: warning: {notice}", file=sys.stderr)
    lines = [f"Leuko {__version__} listens on {url}"]
    if "admin" in sockets:
        lines.append(f"  admin API      {url_of(sockets['admin'][0], tls=settings.tls)}/api/gateway")
    if "admin_key" in kept.kept_in:
        lines.append(f"  admin key      {kept.kept_in['admin_key']}")
    if settings.stub:
        body = '{"model":"stub-echo","messages":[{"role":"user","content":"Hello"}]}'
        lines.append(f"  try it         curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'")
    print(*lines, sep="\n", flush=True)


def _room_for_connections() -> int:
    """As many as file descriptors last, when each needs one more towards its provider."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # the hard limit may be more than the system grants
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(16, soft // 2 - 32) if soft != resource.RLIM_INFINITY else _MOST_CONNECTIONS


def _own_keys(kept: Secrets) -> tuple[bytes, ...]:
    return tuple(key.get_secret_value().encode() for key in (kept.admin_key, kept.ingest_api_key) if key)


def _providers(settings: Settings) -> Providers:
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
        named=named,
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


def _worker_command() -> list[str]:
    return ["-m", "gateway", *sys.argv[1:]]


def _worker_env(kept: Secrets, redis_url: str) -> dict[str, str]:
    """Workers share one Redis and the same secrets, so that each names agents alike."""
    env = dict(os.environ)
    env["GATEWAY_REDIS_URL"] = redis_url
    env["GATEWAY_ADMIN_KEY"] = kept.admin_key.get_secret_value()
    env["GATEWAY_SECRET"] = kept.secret.get_secret_value()
    if kept.ingest_api_key is not None:
        env["INGEST_API_KEY"] = kept.ingest_api_key.get_secret_value()
    for name in ("GATEWAY_REDIS_URL", "GATEWAY_ADMIN_KEY", "GATEWAY_SECRET", "INGEST_API_KEY", "ADMIN_API_KEY"):
        env.pop(name + "_FILE", None)
    env.pop("ADMIN_API_KEY", None)
    return env
