"""The shapes that values are checked against and turned into. Messages say what is wrong, never a credential."""

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.store.address import read_address


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"has {name!r} twice")
    return dict(pairs)


def json_object(value: object) -> object:
    """The environment's JSON text as an object; a file's mapping as it is."""
    return _json(value, dict, "an object")


def json_array(value: object) -> object:
    """The environment's JSON text as an array; a file's list as it is."""
    return _json(value, list, "an array")


def _json(value: object, kind: type, called: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(found, kind):
        raise ValueError(f"is JSON, but not {called}")
    return found


def comma_separated(value: object) -> object:
    """The environment's text as a list; a file's list as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _not_a_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    return value


def _existing_file(path: Path) -> Path:
    path = path.expanduser()
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def _url(url: str, schemes: tuple[str, ...], *, userinfo: bool = False) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text quotes the URL, and with it a password
        raise ValueError("is not a URL") from None
    if parts.scheme not in schemes:
        raise ValueError("does not start with " + " or ".join(f"{scheme}://" for scheme in schemes))
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        raise ValueError("is not a URL with a host")
    if not userinfo and "@" in parts.netloc:
        raise ValueError("has a user name or password in it")
    return url


def http_url(url: str) -> str:
    """A provider's address: http or https, a host, perhaps a path; nothing else."""
    url = _url(url, ("http", "https"))
    if "?" in url or "#" in url:
        raise ValueError("has a query or fragment")
    return url.rstrip("/")


def endpoint_url(url: str) -> str:
    """The same of one endpoint: a slash at its end counts."""
    http_url(url)
    return url


def webhook_url(url: str) -> str:
    """A receiver's address: http or https; what tells it from others may stand in a query."""
    url = _url(url, ("http", "https"))
    if "#" in url:
        raise ValueError("has a fragment")
    return url


def proxy_url(url: str) -> str:
    return _url(url, ("http", "https"), userinfo=True)


def redis_url(url: str) -> str:
    """One of the forms in `gateway.store.address`."""
    if read_address(url).kind != "server":
        return url
    scheme, _, rest = url.partition("://")
    if scheme != "unix":
        return _url(url, ("redis", "rediss"), userinfo=True)
    if not rest.rpartition("@")[2].startswith("/"):
        raise ValueError("is not unix:// and the absolute path of a socket")
    return url


def _origin(origin: str) -> str:
    parts = urlsplit(_url(origin, ("http", "https")))
    if parts.path or parts.query or parts.fragment:
        raise ValueError("is more than scheme, host and port")
    return origin.lower()


def _host_name(host: str) -> str:
    if not host or any(c in host for c in "/@[] \t") or not host.isprintable():
        raise ValueError("is not a host name or address")
    return host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Whole = Annotated[int, BeforeValidator(_not_a_boolean)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Bytes = Annotated[Whole, Field(ge=1, le=2**40)]
Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False), BeforeValidator(_not_a_boolean)]
HostName = Annotated[str, AfterValidator(_host_name)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
WebhookUrl = Annotated[str, AfterValidator(webhook_url)]
ProxyUrl = Annotated[str, AfterValidator(proxy_url)]
RedisUrl = Annotated[str, AfterValidator(redis_url)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
HostNames = Annotated[tuple[HostName, ...], BeforeValidator(comma_separated)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(comma_separated)]
