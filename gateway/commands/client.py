"""The APIs as commands use them. Every failure is one line and an exit code."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

import httpx

from gateway.commands.session import DENIED, FAILED, given

_BASE = "/api/gateway"
_AGENTS_BASE = "/api/v1"
_PAGE = 1000
_SECONDS = 30.0
_TRIES, _PAUSE = 40, 0.25  # seconds


class Failure(Exception):
    """What went wrong, for whoever typed the command; `code` is the exit code, `status` the answer's, if one came."""

    def __init__(self, message: str, code: int = FAILED, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class AdminClient:
    """One gateway, asked with one key. Every method raises Failure.

    Args:
        verify: how the gateway's certificate is checked.
        agent_key: ask the agents' API as this agent; `key` goes with it, unless it is empty.
    """

    def __init__(self, url: str, key: str, *, verify: SSLContext | bool = True, agent_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"x-admin-key": key} if key else {}
        if agent_key is not None:
            headers["x-agent-key"] = agent_key
        try:
            self._http = httpx.Client(
                base_url=self.url + (_BASE if agent_key is None else _AGENTS_BASE),
                headers=headers,
                timeout=_SECONDS,
                verify=verify,
                trust_env=False,  # an admin key goes to the gateway and to no proxy
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise Failure(f"{url}: not a URL, or the key is not one that fits a header", 2) from None

    def public_keys(self) -> Any:
        """The JWK set that verifies the gateway's tokens."""
        return self.ask("GET", f"{self.url}/.well-known/jwks.json")

    def close(self) -> None:
        self._http.close()

    def ask(  # `path`: below the API's base, or a whole URL
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: object = None,
        yaml: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request, with a body of JSON or of YAML; its document, None for an answer without one."""
        sent: dict[str, Any] = {"json": body}
        if yaml is not None:
            sent = {"content": yaml.encode()}
            headers = {"content-type": "application/yaml", **(headers or {})}
        with self._plain():
            answer = self._http.request(method, path, params=given(**(params or {})), headers=headers, **sent)
        _check(answer)
        return answer.json() if answer.content else None

    def there(self, path: str) -> bool:
        """Whether a path answers, or there is nothing of that id."""
        try:
            self.ask("GET", path)
        except Failure as failure:
            if failure.status == 404:
                return False
            raise
        return True

    def items(self, path: str, limit: int, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The first `limit` items of a list, from as many pages as that takes."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while len(found) < limit:
            size = min(limit - len(found), _PAGE)
            page = self.ask("GET", path, params={**(params or {}), "limit": size, "cursor": cursor})
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    def lines(self, path: str, params: dict[str, Any] | None = None) -> Iterator[str]:
        """The lines of an answer that may be longer than memory."""
        with self._plain(), self._http.stream("GET", path, params=given(**(params or {}))) as answer:
            if answer.status_code >= 400:
                answer.read()
            _check(answer)
            yield from answer.iter_lines()

    @contextmanager
    def _plain(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failure(f"{self.url}: no answer: {error or type(error).__name__}") from None


def patient(client: AdminClient) -> Callable[..., Any]:
    """As `client.ask`, on a machine that is busy: again while Redis is too slow for it."""

    def ask(method: str, path: str, **more: Any) -> Any:
        for left in reversed(range(_TRIES)):
            try:
                return client.ask(method, path, **more)
            except Failure as failure:
                if failure.status != 503 or not left:
                    raise
            time.sleep(_PAUSE)

    return ask


def _check(answer: httpx.Response) -> None:
    status = answer.status_code
    if status < 400:
        return
    try:
        problem = answer.json()
        said = " ".join([problem["detail"], *(f"{e['field']}: {e['message']}" for e in problem.get("errors", ()))])
    except (json.JSONDecodeError, KeyError, TypeError):
        said = answer.text[:200].strip()
    raise Failure(f"{status} {' '.join(said.split())}", DENIED if status in (401, 403, 429) else FAILED, status)
