"""`leuko connect`: what a client needs to go through the gateway, to be pasted into a shell."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from gateway.commands.connect_clients import CLIENTS, PLACEHOLDER, Client, Place, Settings
from gateway.commands.session import Output, agents_address

_VISIBLE = re.compile(r"[!-~]{1,8192}")
_OF_URLS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,8192}")  # RFC 3986


def _url(text: str | None) -> str | None:
    """Without `/v1`, as agents have it with and without."""
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or not _OF_URLS.fullmatch(text)
        wrong = wrong or parts.username is not None or bool(parts.query or parts.fragment) or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise typer.BadParameter(f"{text!r} is not http(s)://host, perhaps with a port and a path")
    return parts.geturl().rstrip("/").removesuffix("/v1").rstrip("/")


def _key(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        raise typer.BadParameter("a key is of visible ASCII characters")
    return text


def connect(
    client: Annotated[Client | None, typer.Argument(help="Which client; left out: all that there are.")] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="GATEWAY_URL", help="Where the gateway is.", callback=_url, show_default="as in the settings"
        ),
    ] = None,
    agent_key: Annotated[str, typer.Option(help="The agent's key.", callback=_key)] = PLACEHOLDER,
    upstream: Annotated[
        str | None,
        typer.Option(help="Where Ollama, vLLM or Langfuse is.", callback=_url, show_default="where it usually is"),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="The certificate (PEM) of the authority to trust, where it is none that everybody knows.",
            show_default="those that the client knows",
        ),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.TABLE,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", exists=True, dir_okay=False, help="A file of settings.")
    ] = None,
) -> None:
    """Print what a client needs to go through the gateway, to be pasted into a shell.

    Notes go to stderr, so this does the same: eval "$(leuko connect openai-python --agent-key agk_…)".
    """
    if client is None:
        _list(output)
        return
    place = Place(url or agents_address(config), agent_key, upstream, _absolute(ca_file))
    settings = CLIENTS[client].settings(place)
    if ca_file is not None and not _speaks_tls(client, place):
        raise typer.BadParameter("there is no TLS: the address begins with http://", param_hint="--ca-file")
    if output is Output.JSON:
        print(json.dumps({"client": client, "title": CLIENTS[client].title, **settings.document()}, indent=2))
    else:
        for note in _notes(client, place, settings):
            print(note, file=sys.stderr)
        print(settings.script(), end="")


def _absolute(path: Path | None) -> str | None:
    """As the client has to be told it, which may run elsewhere."""
    return None if path is None else str(path.expanduser().absolute())


def _speaks_tls(client: Client, place: Place) -> bool:
    """Whether what the client's settings are about is reached by TLS."""
    kind = CLIENTS[client]
    if not kind.behind:
        return place.url.startswith("https:")
    return any(value.startswith("https:") for value in kind.settings(place).environment.values())


def _list(output: Output) -> None:
    if output is Output.JSON:
        print(json.dumps([{"client": client, "title": kind.title} for client, kind in CLIENTS.items()], indent=2))
        return
    width = max(map(len, CLIENTS))
    for client, kind in CLIENTS.items():
        print(f"{client:<{width}}  {kind.title.replace('`', '')}")


def _notes(client: Client, place: Place, settings: Settings) -> list[str]:
    """What the script is for, and where a key comes from that is not there yet; harmless if it is pasted as well."""
    notes = [
        f"{CLIENTS[client].title.replace('`', '')}: paste this into a shell of the kind of sh, bash, zsh.",
        *settings.notes,
    ]
    if place.agent_key == PLACEHOLDER and PLACEHOLDER in settings.environment.values():
        notes.append(f"For {PLACEHOLDER}: leuko agents create NAME, leuko keys create AGENT, then --agent-key here.")
    if place.ca_file is None and place.url.startswith("https:") and not CLIENTS[client].behind:
        notes.append("Where the gateway's certificate is of an authority of your own: --ca-file here.")
    if place.ca_file is not None and not Path(place.ca_file).is_file():
        notes.append(f"{place.ca_file!a} is not on this machine; it has to be where the client runs.")
    return notes
