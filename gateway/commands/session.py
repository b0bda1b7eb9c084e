"""Which gateway a command asks, with what key, and how it prints what it hears; the same options on every command."""

import contextlib
import functools
import inspect
import json
import os
import ssl
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from gateway.commands.client import AdminClient
    from gateway.settings import Settings


FAILED, DENIED = 1, 3
"""Exit codes."""


class Output(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    JSON = "json"


_OPTIONS: dict[str, Any] = {
    "url": Annotated[
        str | None,
        typer.Option("--url", envvar="GATEWAY_URL", help="Where the gateway is.", show_default="as in the settings"),
    ],
    "key": Annotated[
        str | None,
        typer.Option("--key", envvar="GATEWAY_ADMIN_KEY", help="An admin key.", show_default="the data directory's"),
    ],
    "output": Annotated[Output, typer.Option("--output", "-o", help="How to print.")],
    "config": Annotated[
        Path | None, typer.Option("--config", "-c", exists=True, dir_okay=False, help="A file of settings.")
    ],
}
_DEFAULTS = {"url": None, "key": None, "output": Output.TABLE, "config": None}


class Session:
    """What a command works with. The gateway is looked for when it is first asked: not every command does."""

    def __init__(
        self,
        connect: Callable[[], "AdminClient"],
        output: Output,
        config: Path | None = None,
        connect_agent: Callable[[str, bool], "AdminClient"] | None = None,
    ) -> None:
        self.output = output
        self._config = config
        self._connect_agent = connect_agent
        self._connect = connect
        self._client: AdminClient | None = None

    @property
    def client(self) -> "AdminClient":
        """Raises Failure."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def as_agent(self, agent_key: str, *, as_person: bool = False) -> "AdminClient":
        """Ask the agents' API from now on; with `as_person` the admin key goes along. Raises Failure."""
        assert self._connect_agent is not None
        self.close()
        self._client = self._connect_agent(agent_key, as_person)
        return self._client

    @property
    def settings(self) -> "Settings":
        """Those of this machine. Raises Failure."""
        from gateway.commands.client import Failure
        from gateway.settings import SettingsError

        try:
            return _settings(self._config)
        except SettingsError as error:
            raise Failure("; ".join(error.problems)) from None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def show(self, items: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
        """Print records: these columns as a table, or all there is as JSON."""
        if self.output is Output.JSON:
            print(json.dumps(items, indent=2))
            return
        rows = [[name.upper() for name in columns], *([_cell(item.get(name)) for name in columns] for item in items)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def show_one(self, item: dict[str, Any]) -> None:
        """Print one record, a line a member."""
        if self.output is Output.JSON:
            print(json.dumps(item, indent=2))
            return
        width = max(map(len, item), default=0)
        for name, value in item.items():
            nested = isinstance(value, list) and value and isinstance(value[0], dict)
            for line in value if nested else (value,):
                print(f"{name.ljust(width)}  {_cell(line)}".rstrip())
                name = ""

    def deleted(self, name: str, noun: str, *, there: bool) -> None:
        """Say whether this deleted something: to delete what is not there is no failure."""
        self.done(f"deleted {name}" if there else f"there was no {noun} {name}")

    def done(self, text: str) -> None:
        """Say that something was done which has no answer of its own."""
        print(json.dumps({"done": text}) if self.output is Output.JSON else text)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command of `(session, …)` the options that say which gateway it asks, and print its failures."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        from gateway.commands.client import Failure

        place = {name: given.pop(name) for name in _OPTIONS}
        _check_agent(given.get("agent"))
        try:
            connect = functools.partial(_client, place["url"], place["key"], place["config"])
            as_agent = functools.partial(_agent_client, place["url"], place["key"], place["config"])
            with contextlib.closing(Session(connect, place["output"], place["config"], as_agent)) as session:
                function(session, **given)
        except Failure as failure:
            print(f"leuko: {failure}", file=sys.stderr)
            raise typer.Exit(failure.code) from None

    own = list(inspect.signature(function).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *shared)}
    return run


def given(**members: Any) -> dict[str, Any]:
    """What was typed: members without a value are not sent."""
    return {name: value for name, value in members.items() if value is not None}


def quoted(id: str) -> str:
    """As one segment of a path, whatever was typed. Raises BadParameter for nothing, which would be another path."""
    if not id:
        raise typer.BadParameter("an id or name is empty; was the variable set?")
    return quote(id, safe="")


def _check_agent(id: str | None) -> None:
    """A name, or a variable that was never set, finds nothing: which must not look as if there were nothing to find."""
    if id is not None and not id.startswith("agt_"):
        raise typer.BadParameter(f"{id!r} is not the id of an agent: they begin with agt_, see `leuko agents list`")


def group(name: str, help: str, commands: Iterable[tuple[str, Callable[..., None]]]) -> typer.Typer:
    """The commands of one noun, in order."""
    made = typer.Typer(name=name, help=help, no_args_is_help=True, rich_markup_mode=None)
    for verb, function in commands:
        made.command(verb)(command(function))
    return made


def agents_address(config: Path | None) -> str:
    """Where agents of this machine reach the gateway of these settings; exits with 1 where they are wrong."""
    from gateway.settings import SettingsError

    try:
        return _address(_settings(config), agents=True)
    except SettingsError as error:
        for problem in error.problems:
            print(f"leuko: {problem}", file=sys.stderr)
        raise typer.Exit(1) from None


def _client(url: str | None, key: str | None, config: Path | None) -> "AdminClient":
    from gateway.commands.client import AdminClient, Failure

    verify = authorities()
    if url is None or key is None:
        from gateway.settings import SettingsError

        try:
            settings = _settings(config)
            verify = _trust(settings) if url is None else verify
            url = url or _address(settings)
            key = key or _admin_key(settings)
        except SettingsError as error:
            raise Failure("; ".join(error.problems)) from None
    return AdminClient(url, key, verify=verify)


def _agent_client(
    url: str | None, key: str | None, config: Path | None, agent_key: str, as_person: bool
) -> "AdminClient":
    from gateway.commands.client import AdminClient, Failure

    verify = authorities()
    if url is None or (as_person and key is None):
        from gateway.settings import SettingsError

        try:
            settings = _settings(config)
            verify = _trust(settings) if url is None else verify
            url = url or _address(settings, agents=True)
            key = key or (_admin_key(settings) if as_person else None)
        except SettingsError as error:
            raise Failure("; ".join(error.problems)) from None
    return AdminClient(url, (key or "") if as_person else "", verify=verify, agent_key=agent_key)


def _settings(config: Path | None) -> "Settings":
    from gateway.settings import load

    default = Path("gateway.yaml")
    return load(config or (default if default.is_file() else None), os.environ)


def _address(settings: "Settings", *, agents: bool = False) -> str:
    """The admin API's address on this machine, or that of the agents' API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    port = settings.port if agents or settings.admin_port is None else settings.admin_port
    return f"{'https' if settings.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def authorities() -> ssl.SSLContext | bool:
    """Those of SSL_CERT_FILE and SSL_CERT_DIR, for a gateway with a private one; True: those that everybody knows.

    httpx reads them only together with the variables that name proxies.
    """
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        return True
    return ssl.create_default_context()


def _trust(settings: "Settings") -> ssl.SSLContext | bool:
    """The gateway's own certificate, whatever name it bears: this machine's address is in none."""
    if settings.tls_cert_file is None:
        return True
    context = ssl.create_default_context(cafile=settings.tls_cert_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _admin_key(settings: "Settings") -> str:
    from gateway.commands.client import Failure
    from gateway.settings.kept import kept_path

    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    path = kept_path(settings, "admin_key")
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        message = f"no admin key: give --key or GATEWAY_ADMIN_KEY; {path}: {error.strerror}"
        raise Failure(message, 2) from None


def plain(value: object) -> str:
    """Without what moves a cursor, turns the direction of text or has no width: only what can be read as it stands."""
    return "".join(c if c.isprintable() else "�" for c in str(value))


def _cell(value: object) -> str:
    """One value in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        value = ",".join(f"({_cell(one)})" if isinstance(one, list | dict) else _cell(one) for one in value)
    elif isinstance(value, dict):
        members = ((name, _cell(one), isinstance(one, dict)) for name, one in value.items() if one is not None)
        value = " ".join(f"{name}=({cell})" if deep else f"{name}={cell}" for name, cell, deep in members)
    return plain(value)
