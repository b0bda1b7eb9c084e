"""The command `leuko`. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 denied.

Each command imports what it needs when it runs, so that `leuko --help` is quick.
"""

import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gateway import __version__
from gateway.commands import (
    admin_keys,
    agents,
    approvals,
    audit,
    baseline,
    chaos,
    connect,
    demo,
    heal,
    immune,
    incidents,
    intents,
    keys,
    metrics,
    mode,
    policy,
    providers,
    quarantine,
    routes,
    tools,
    top,
)
from gateway.commands.session import authorities, command

if TYPE_CHECKING:
    from gateway.settings import Settings

DEFAULT_CONFIG = Path("gateway.yaml")


def _with_nouns(made: typer.Typer) -> typer.Typer:
    """The commands that ask a running gateway, in the order of the help."""
    for noun in (agents, keys, admin_keys, policy, intents, tools, approvals, mode, audit, providers, routes):
        made.add_typer(noun.commands())
    made.command("quarantine")(command(quarantine.quarantine))
    made.command("release")(command(quarantine.release))
    made.add_typer(incidents.commands())
    made.command("heal")(command(heal.heal))
    made.command("baseline")(command(baseline.baseline))
    made.add_typer(immune.commands())
    made.command("chaos")(command(chaos.chaos))
    made.command("top")(command(top.top))
    made.command("metrics")(command(metrics.metrics))
    made.command("connect")(connect.connect)
    made.add_typer(demo.commands())
    return made


# Plain messages of one line: this output is read in container logs as often as in a terminal.
app = _with_nouns(
    typer.Typer(
        name="leuko",
        help="Leuko, the immune gateway for AI agents.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", exists=True, dir_okay=False, help="A file of settings; ./gateway.yaml if it is there."
    ),
]


def _fail(*problems: str) -> NoReturn:
    for problem in problems:
        print(f"leuko: {problem}", file=sys.stderr)
    raise typer.Exit(1)


@contextmanager
def _plain_errors(*correctable: type[Exception]) -> Iterator[None]:
    """Print errors that an operator can correct as one line each; any other is a bug and keeps its traceback."""
    from gateway.settings import SettingsError

    plain: tuple[type[Exception], ...] = (OSError, *correctable)
    try:
        yield
    except SettingsError as error:
        _fail(*error.problems)
    except plain as error:
        _fail(" ".join(str(error).split()))


def _load(config: Path | None, **overrides: object) -> "Settings":
    from gateway.settings import load

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    return load(config, os.environ, overrides=overrides)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"leuko {__version__}")
        raise typer.Exit()


@app.callback()
def leuko(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Leuko, the immune gateway for AI agents."""


@contextmanager
def _loading() -> Iterator[None]:
    """For the imports of a process that serves: nothing of them is garbage, and nothing is started yet. So an interrupt
    ends the process, where an extension module might swallow the exception that it raises otherwise."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@app.command()
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="4000")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve.", show_default="1")] = None,
    stub: Annotated[bool, typer.Option("--stub", help="Answer with the built-in stub models; loopback only.")] = False,
    stub_script: Annotated[Path | None, typer.Option(help="Turns of the model stub-script.")] = None,
) -> None:
    """Start the gateway; Ctrl-C or SIGTERM stops it after the open answers."""
    # Told to read its settings again before it can, it would end; told so later, it reads them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    given = {"host": host, "port": port, "workers": workers, "stub": stub or None, "stub_script": stub_script}
    with _plain_errors():
        settings = _load(config, **given)

    with _loading():
        from gateway.app import serve as run
        from gateway.edge.sockets import AddressInUse, AddressNotUsable, TLSUnusable
        from gateway.store.errors import StoreError

    with _plain_errors(AddressInUse, AddressNotUsable, TLSUnusable, StoreError):
        code = run(settings, lambda: _load(config, **given))
    raise typer.Exit(code)


@app.command()
def check(config: Config = None) -> None:
    """Check the settings without starting anything."""
    from gateway.edge.sockets import TLSUnusable, tls_context

    with _plain_errors(TLSUnusable):
        settings = _load(config)
        from gateway.settings import check_kept
        from gateway.settings.policies import load_policies
        from gateway.settings.prices import load_prices
        from gateway.settings.providers import load_providers

        check_kept(settings)
        policies = [document.name for document in load_policies(settings)]
        load_prices(settings)
        load_providers(settings)
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            tls_context(settings.tls_cert_file, settings.tls_key_file)
    for notice in settings.notices:
        print(f"leuko: warning: {notice}", file=sys.stderr)
    print("OK", *_summary(settings), f"policies: {', '.join(policies) or 'none'}", sep="\n")


def _summary(settings: "Settings") -> list[str]:
    """What these settings amount to, without a secret, as `name: value` lines."""
    redis = "a private one" if settings.redis_url is None else settings.redis_url.partition("://")[0] + "://…"
    providers = [f"{name} {provider.url}" for name, provider in settings.providers.items()]
    return [
        f"listens on: {_address(settings)}",
        f"state: Redis, {redis}; data in {settings.data_dir}",
        f"default provider: {settings.llm_upstream_url or 'https://api.openai.com'}",
        f"further providers: {', '.join(providers) or 'none'}",
    ]


@app.command()
def health(
    url: Annotated[
        str | None,
        typer.Option(envvar="GATEWAY_URL", help="Where the gateway is.", show_default="as in the settings"),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask only whether the process is alive, not whether it is ready.")
    ] = False,
    config: Config = None,
) -> None:
    """Ask a running gateway how it is; for health checks of containers."""
    import httpx

    with _plain_errors():
        base = url.rstrip("/") if url is not None else _address(_load(config), connect=True)
    # The address of this very machine is in no certificate; nothing secret is sent, only "it answers" is learned.
    verify = authorities() if url is not None else False
    try:
        answer = httpx.get(f"{base}/{'livez' if live else 'readyz'}", timeout=5, verify=verify, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"{base}: no answer: {error or type(error).__name__}")
    if answer.status_code != 200:
        _fail(f"{base}: {answer.status_code} {answer.text[:200].strip()}")
    print(answer.text.strip())


def _address(settings: "Settings", *, connect: bool = False) -> str:
    """The gateway's URL; with `connect`, one that this machine can use where it listens on every address."""
    host = settings.host
    if connect:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{settings.port}"


def main() -> None:
    """Run the command line of this process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal cannot show ends nothing
    app(prog_name="leuko")
