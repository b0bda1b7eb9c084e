"""One HTTP request of a strategy: to an engine, a cluster, or whoever is told. Never follows a redirect, never uses a
proxy of the environment; an answer that does not come in time is a failure."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.enforcement.strategy import EnforcementFailed
from gateway.model.value import value

SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_SHOWN = 200


@value
class Place:
    """Where to ask. `socket` is the path of a Unix socket, which `url` then stands for; the files are PEM: who is
    trusted, and whom the gateway shows itself as."""

    url: str
    socket: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


async def ask(
    strategy: str,
    place: Place,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    within: float = SECONDS,
) -> httpx.Response:
    """The whole answer, whatever its status. Raises EnforcementFailed where there is none.

    Args:
        path: of the place, with its query; empty for the place itself.
        within: seconds for everything.
    """
    try:
        trust = await asyncio.to_thread(_trust, place)
        transport = httpx.AsyncHTTPTransport(verify=trust, uds=place.socket)
        async with (
            asyncio.timeout(within),
            httpx.AsyncClient(
                transport=transport, timeout=httpx.Timeout(within, connect=_CONNECT_SECONDS), trust_env=False
            ) as client,
        ):
            return await client.request(method, place.url + path, headers=headers, content=content)
    except ssl.SSLError as error:
        raise EnforcementFailed(strategy, f"TLS: {error.reason or 'its certificates cannot be used'}") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a time-out is an OSError; texts may hold addresses
        raise EnforcementFailed(strategy, f"does not answer ({type(error).__name__})") from None


def refused(strategy: str, answer: httpx.Response) -> EnforcementFailed:
    """What to raise for an answer that says no: its status, and the message as engines and clusters give one."""
    try:
        document: Any = answer.json()
        said = str(document["message"])
    except (ValueError, KeyError, TypeError):
        said = ""
    shown = "".join(c if c.isprintable() else " " for c in said[:_SHOWN])
    return EnforcementFailed(strategy, f"answered {answer.status_code}" + (f": {shown}" if shown else ""))


def _trust(place: Place) -> ssl.SSLContext | bool:
    """Reading certificates takes milliseconds."""
    if not place.url.startswith("https:"):
        return False
    context = ssl.create_default_context(cafile=place.ca_file)
    if place.cert_file is not None:
        context.load_cert_chain(place.cert_file, place.key_file)
    return context
