"""Requests whose bytes are the test's own, and answers as they came."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai

from tests.support.upstream import ThreadedUpstream

JSON = {"content-type": "application/json"}
KEY = "sk-client"
WITHIN = 20.0


@dataclass(frozen=True)
class Answer:
    """`body` is not decoded; `headers` are in the order they came, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The only value of a header; fails if it came twice."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


def ask(
    url: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Answer:
    """One request on a connection of its own, with a provider's key unless `headers` have one."""
    given = {"authorization": f"Bearer {KEY}"} | (JSON if body is not None else {}) | (headers or {})
    sent = {name: value for name, value in given.items() if value}
    with (
        httpx.Client(timeout=WITHIN, trust_env=False, verify=False) as client,
        client.stream(method, url + path, content=body, headers=sent) as response,
    ):
        raw = b"".join(response.iter_raw())
        pairs = [(k.decode().lower(), v.decode("latin-1")) for k, v in response.headers.raw]
        return Answer(response.status_code, pairs, raw)


@dataclass(frozen=True)
class Sent:
    """A request as the SDK sent it."""

    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def openai_client(url: str, *, max_retries: int = 0, **settings: Any) -> Iterator[tuple[openai.OpenAI, list[Sent]]]:
    """OpenAI's SDK, and what it sends; every retry is a request of its own."""
    sent: list[Sent] = []

    def note(request: Any) -> None:
        sent.append(Sent(request.url.raw_path.decode(), dict(request.headers), request.read()))

    http = openai.DefaultHttpxClient(event_hooks={"request": [note]})
    base = {"base_url": f"{url}/v1", "api_key": KEY} | settings
    with openai.OpenAI(**base, http_client=http, timeout=WITHIN, max_retries=max_retries) as client:
        yield client, sent


def only_request(provider: ThreadedUpstream) -> Any:
    """The one request that reached the provider."""
    assert len(provider.requests) == 1
    return provider.requests[0]
