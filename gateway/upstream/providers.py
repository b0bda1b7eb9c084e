"""The configured providers, and which of them a request goes to. Pure: what connects is `client`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.model.errors import Refusal
from gateway.model.route import Route

DIALECTS = ("openai", "azure", "anthropic", "stub")
DEFAULT = "default"
ANTHROPIC = "anthropic"
STUB = "stub"
_LONGEST_SHOWN = 32

_OPENAI_HOST = "api.openai.com"
_OPENAI_URL = f"https://{_OPENAI_HOST}"
_ANTHROPIC_URL = "https://api.anthropic.com"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SAFE_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,=:@%-]*)*")
_SAFE_KEY = re.compile(r"[\x21-\x7e]+")
_SAFE_TARGET = re.compile(r"[\x21-\x22\x24-\x7e]*")
"""Printable ASCII without `#`: bytes that stand in a request line exactly as they are (RFC 9112 section 3.2)."""
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


class Endpoint(NamedTuple):
    """Where connections go and under which conditions; equal endpoints share connections."""

    scheme: str
    host: str
    port: int
    proxy: str | None
    ca_file: str | None
    private_ok: bool


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One provider. Raises ValueError, naming the member and what is allowed, for a definition that cannot work.

    Args:
        name: how callers (`/p/{name}/v1/…`), messages and metrics call it.
        url: `https://host[:port][/path]`; a path stands for `/v1`.
        dialect: openai | azure | anthropic: the header its key travels in, and Azure's deployment paths.
        api_key: its own key; `api_key_env` names the setting that holds it, for messages.
        models: globs of model names that go to it when the caller chose no provider.
        proxy: `http://[user:password@]host:port`, an egress proxy.
        ca_file: PEM file of the authorities to trust instead of the system's.
        private_ok: whether it may live at a private address; False for what came in over an API.
        may_be_default: whether it may be the default of its dialect, to which callers' own credentials go; False for
            what came in over an API.
    """

    name: str
    url: str
    dialect: str = "openai"
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    models: tuple[str, ...] = ()
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    private_ok: bool = True
    may_be_default: bool = True
    endpoint: Endpoint = field(init=False, repr=False)
    host_header: bytes = field(init=False, repr=False)
    _base: str = field(init=False, repr=False)
    _matches: re.Pattern[str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"provider name {self.name!r}: letters, digits, `.`, `_`, `-`, at most 63")
        if self.dialect not in DIALECTS:
            raise ValueError(f"provider {self.name}: dialect {self.dialect!r} is none of {', '.join(DIALECTS[:3])}")
        if self.api_key is not None and not _SAFE_KEY.fullmatch(self.api_key):
            raise ValueError(f"provider {self.name}: api_key is empty or holds a space or a control character")
        globs = "|".join(map(translate, self.models))
        fill = object.__setattr__
        fill(self, "_matches", re.compile(globs) if globs else None)
        if self.dialect == STUB:
            scheme, host, port, path = "stub", "", 0, ""
        else:
            scheme, host, port, path = _taken_apart(f"provider {self.name}: url", self.url, ("https", "http"))
        if self.proxy is not None:
            _taken_apart(f"provider {self.name}: proxy", self.proxy, ("http",), userinfo=True)
        fill(self, "endpoint", Endpoint(scheme, host, port, self.proxy, self.ca_file, self.private_ok))
        fill(self, "host_header", _authority(scheme, host, port).encode())
        fill(
            self, "_base", "" if self.dialect == STUB else path or ("/openai/v1" if self.dialect == "azure" else "/v1")
        )

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own API; some regions have a host below it."""
        return self.endpoint.host == _OPENAI_HOST or self.endpoint.host.endswith(f".{_OPENAI_HOST}")

    @property
    def takes_deployments(self) -> bool:
        """Whether Azure's `/openai/deployments/{model}/…` reaches it in that form.

        So it is for Azure itself, the stub models, and a default provider, which may be Azure behind another name;
        elsewhere the same request is sent to the path below `/v1`.
        """
        return self.dialect in ("azure", STUB) or (self.name == DEFAULT and self.endpoint.host != _OPENAI_HOST)

    def path(self, route: Route) -> str:
        """The path a route has at this provider, percent-encoding as received."""
        if route.deployment is None or not self.takes_deployments:
            return self._base + route.path
        root = self._base.removesuffix("/v1").removesuffix("/openai")
        return f"{root}/openai/deployments/{route.deployment}{route.path}"

    def target(self, path: str, query: bytes = b"") -> str:
        """The request target for a path of `path()`, query included, exactly as received.

        Raises Refusal `invalid_request` for bytes that have no place in a request line.
        """
        target = f"{path}?{query.decode('latin-1')}" if query else path
        if not _SAFE_TARGET.fullmatch(target):
            raise Refusal("invalid_request", "The query holds a space, a control character, `#`, or is not ASCII.")
        return target

    def serves(self, model: str) -> bool:
        return self._matches is not None and self._matches.match(model) is not None


class Providers:
    """All configured providers. A new configuration is a new instance.

    Args:
        default_url: `https://api.openai.com` if None; only then is Anthropic's own API built in for `/v1/messages`.
        default_key: the default provider's own key, for callers that bring none.
        named: the others, in the order in which their `models` are tried.
        stub: whether the stub models (`stub-*`) are served.
        proxy, ca_file: for the providers built here.
    """

    def __init__(
        self,
        *,
        default_url: str | None = None,
        default_key: str | None = None,
        named: Sequence[Provider] = (),
        stub: bool = False,
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.default_given = default_url is not None
        url = default_url or _OPENAI_URL
        self.default = Provider(
            DEFAULT, url, _dialect_of(url), default_key, "LLM_UPSTREAM_API_KEY", proxy=proxy, ca_file=ca_file
        )
        known = [self.default, *named]
        if stub:
            known.insert(1, Provider(STUB, "", STUB, models=("stub-*",)))
        if default_url is None and all(p.name != ANTHROPIC for p in named):
            known.append(Provider(ANTHROPIC, _ANTHROPIC_URL, "anthropic", proxy=proxy, ca_file=ca_file))
        self.by_name = _unique(known)
        self._by_model = tuple(p for p in known if p.models)
        self._anthropic = next((p for p in known if p.dialect == "anthropic" and p.may_be_default), self.default)

    def choose(self, route: Route, model: str | None = None, routed: str | None = None) -> Provider:
        """Who answers: the agent's own route, the caller's `/p/{name}`, the model's provider, the dialect's default.

        Raises Refusal `invalid_request` for a name the caller made up, `upstream_unavailable` for a route to a provider
        that is configured no more.
        """
        if routed is not None:
            return self._routed(routed)
        if route.provider is not None:
            return self._named(route.provider)
        if model is not None:
            for provider in self._by_model:
                if provider.serves(model):
                    return provider
        return self.default_for(route)

    def default_for(self, route: Route) -> Provider:
        """The provider of the route's dialect: the only one that gets a credential the gateway does not know."""
        if route.path == "/messages" or route.path.startswith("/messages/"):
            return self._anthropic
        return self.default

    def _routed(self, name: str) -> Provider:
        provider = self.by_name.get(name)
        if provider is None:
            raise Refusal("upstream_unavailable", f"This agent is routed to provider `{name}`, which is gone.")
        return provider

    def _named(self, name: str) -> Provider:
        provider = self.by_name.get(name)
        if provider is None:
            # What is longer may be a key in the wrong place, which belongs into no message and no record.
            shown = f" `{name}`" if _NAME.fullmatch(name) and len(name) <= _LONGEST_SHOWN else ""
            raise Refusal("invalid_request", f"No provider{shown} here; there are: {', '.join(self.by_name)}.")
        return provider


def _unique(providers: Iterable[Provider]) -> dict[str, Provider]:
    found: dict[str, Provider] = {}
    for provider in providers:
        if provider.name in found:
            why = "is reserved" if provider.name in (DEFAULT, STUB) else "is defined twice"
            raise ValueError(f"provider name {provider.name!r} {why}")
        found[provider.name] = provider
    return found


def _dialect_of(url: str) -> str:
    return "azure" if (urlsplit(url).hostname or "").endswith(_AZURE_HOSTS) else "openai"


def _taken_apart(what: str, url: str, schemes: tuple[str, ...], *, userinfo: bool = False) -> tuple[str, str, int, str]:
    """(scheme, host, port, path without a trailing slash). No message shows the URL itself: it may hold secrets."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"{what}: the scheme must be {' or '.join(schemes)}")
    if not host or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        raise ValueError(f"{what}: no host name or address in it")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError(f"{what}: a query or a fragment has no meaning here")
    if "@" in parts.netloc and not userinfo:
        raise ValueError(f"{what}: no user and password here; give the key as api_key_env")
    path = re.sub("/{2,}", "/", parts.path).rstrip("/")
    if not _SAFE_PATH.fullmatch(path) or "/." in path:
        raise ValueError(f"{what}: its path holds a character or a dot segment that servers read in different ways")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


def _authority(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port == {"https": 443, "http": 80}.get(scheme) else f"{shown}:{port}"
