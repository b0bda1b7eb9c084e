"""The process: Redis, sockets, workers, start and stop. Nobody imports it but the command line."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import uvloop

from gateway import __version__
from gateway.assembly import Gateway, known_secrets
from gateway.edge.server import Server
from gateway.edge.sockets import bind, inherited_sockets, url_of
from gateway.edge.workers import run_workers, watch_parent
from gateway.settings import Secrets, Settings, SettingsError, resolve_secrets
from gateway.settings.policies import load_policies
from gateway.store.embedded import EmbeddedRedis
from gateway.telemetry import logs
from gateway.telemetry.siblings import DIRECTORY_VARIABLE

log = logging.getLogger("gateway")

_BACKLOG = 2048
_REDIS_VARIABLE = "LEUKO_WORKER_REDIS_URL"
_MOST_CONNECTIONS = 500_000


def serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    """Run the gateway until it is told to stop; the process's exit code.

    Args:
        reread: reads the settings again, at SIGHUP; raises SettingsError.
    """
    logs.configure(settings.log_level, settings.log_format)
    try:
        code: int = uvloop.run(_serve(settings, reread))
    except asyncio.CancelledError:  # told to stop before there was anything to drain
        return 0
    return code


async def _serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    task = asyncio.current_task()
    assert task is not None
    # Until there is a server: what was started already is ended. For SIGINT, `run` does the same.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    inherited = inherited_sockets(os.environ)
    if inherited is not None:
        await _work(settings, reread, resolve_secrets(settings), os.environ[_REDIS_VARIABLE], inherited)
        return 0
    load_policies(settings)  # what is wrong with them is said once, before anything is started
    async with _redis(settings) as redis_url:
        kept = resolve_secrets(settings)
        sockets = {"main": bind(settings.host, settings.port)}
        if settings.admin_port is not None:
            sockets["admin"] = bind(settings.host, settings.admin_port)
        if settings.workers > 1:
            for sock in (sock for group in sockets.values() for sock in group):
                sock.listen(_BACKLOG)  # who comes before a worker is up waits, instead of being turned away
            _announce(settings, kept, sockets)
            with tempfile.TemporaryDirectory(prefix="leuko-") as meeting_place:
                env = _worker_env(kept, redis_url) | {DIRECTORY_VARIABLE: meeting_place}
                return await run_workers(settings.workers, _worker_command(), sockets, env=env)
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
    logs.configure(settings.log_level, settings.log_format, secrets=known_secrets(settings, kept))
    gateway = Gateway(settings, kept, redis_url)

    def hang_up() -> None:
        try:
            again = reread()
            kept_again = resolve_secrets(again)
            gateway.use(again, kept_again)
            logs.configure(again.log_level, again.log_format, secrets=known_secrets(again, kept_again))
            log.info("Read providers and keys again")
        except SettingsError as error:
            log.error("Nothing is changed, the settings are wrong: %s", "; ".join(error.problems))

    server = Server(
        gateway.listeners(sockets), hooks=gateway.drain, max_connections=_room_for_connections(), on_hangup=hang_up
    )
    watch_parent(os.environ, server.stop)
    async with gateway.telemetry.running(), gateway.running():
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
    lines.append(f"  dashboard      {url_of(sockets.get('admin', sockets['main'])[0], tls=settings.tls)}/dashboard")
    if "admin_key" in kept.kept_in:
        lines.append(f"  admin key      {kept.kept_in['admin_key']}")
    if settings.stub:
        body = '{"model":"stub-echo","messages":[{"role":"user","content":"Hello"}]}'
        lines.append(
            f"  models         stub-*; any other goes to {settings.llm_upstream_url or 'https://api.openai.com'}"
        )
        lines.append(f"  try it         curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'")
    print(*lines, sep="\n", flush=True)


def _room_for_connections() -> int:
    """As many as file descriptors last, when each needs one more towards its provider."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # the hard limit may be more than the system grants
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(16, soft // 2 - 32) if soft != resource.RLIM_INFINITY else _MOST_CONNECTIONS


def _worker_command() -> list[str]:
    return ["-m", "gateway", *sys.argv[1:]]


def _worker_env(kept: Secrets, redis_url: str) -> dict[str, str]:
    """Workers read the settings as this process did, and again at SIGHUP. What must be the same in all of them for as
    long as this process lives they get from it: the Redis, and the secret by which agents have their names."""
    env = {name: value for name, value in os.environ.items() if name != "GATEWAY_SECRET_FILE"}
    return env | {_REDIS_VARIABLE: redis_url, "GATEWAY_SECRET": kept.secret.get_secret_value()}
