"""The forms of `GATEWAY_REDIS_URL`, read without opening anything. One place knows them.

    redis://[user:password@]host[:port][/db]                       one server; rediss:// with TLS
    unix:///path/to/socket[?db=n]                                  one server on this machine
    redis+sentinel://[user:password@]host[:port],…/service[/db]    the master that the sentinels name; rediss+sentinel://
    redis+cluster://[user:password@]host[:port],…                  Redis Cluster, found by these nodes; rediss+cluster://

User and password are those of the servers. Sentinels that want their own: `?sentinel_username=…&sentinel_password=…`.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Host = tuple[str, int]

SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)

_SCHEME = re.compile(r"(rediss?)\+(sentinel|cluster)")
_REST = re.compile(r"(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where the state is.

    Attributes:
        kind: what answers at `hosts`.
        hosts: the sentinels, or some nodes of the cluster. Empty for one server: `url` says where it is.
        url: what redis-py reads: scheme, user, password, db and options of every server; host and port of the first.
        service: the name by which the sentinels know the master.
        sentinel_url: as `url`, for the sentinels.
    """

    kind: Literal["server", "sentinel", "cluster"]
    hosts: tuple[Host, ...]
    url: str
    service: str = ""
    sentinel_url: str = ""


def read_address(url: str) -> RedisAddress:
    """Take a URL apart.

    Raises:
        ValueError: it has none of the forms. The message begins with a verb and quotes nothing of the URL, which may
            hold a password.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError("does not start with " + ", ".join(f"{known}://" for known in SCHEMES))
    found = _SCHEME.fullmatch(scheme)
    if found is None:
        return RedisAddress("server", (), url)
    if not url.isprintable() or " " in url:
        raise ValueError("is not a URL with hosts")
    parts = _REST.fullmatch(url[len(scheme) + len("://") :])
    if parts is None:
        raise ValueError("has a fragment")
    user, at, hosts = parts["authority"].rpartition("@")
    if found[2] == "sentinel":
        return _sentinel(found[1], user + at, hosts, parts["path"], parts["query"] or "")
    if parts["path"] not in ("", "/", "/0"):
        raise ValueError("names a database, and a cluster has none but 0")
    known = _hosts(hosts, _PORTS["cluster"])
    return RedisAddress("cluster", known, _plain(found[1], user + at, known[0], "", _pairs(parts["query"] or "")))


def _sentinel(scheme: str, user: str, hosts: str, path: str, query: str) -> RedisAddress:
    known = _hosts(hosts, _PORTS["sentinel"])
    service, _, database = path.removeprefix("/").partition("/")
    if not service:
        raise ValueError("does not name the service behind the hosts: …host:26379/service")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("has a database that is not a number")
    pairs = _pairs(query)
    own = {name.removeprefix("sentinel_"): value for name, value in pairs if name.startswith("sentinel_")}
    if not own.keys() <= {"username", "password"}:
        raise ValueError("has an option for sentinels that is neither sentinel_username nor sentinel_password")
    rest = [(name, value) for name, value in pairs if not name.startswith("sentinel_")]
    asked = [(name, value) for name, value in rest if name != "db"]
    return RedisAddress(
        "sentinel",
        known,
        _plain(scheme, user, known[0], f"/{database}" if database else "", rest),
        unquote(service),
        _plain(scheme, "", known[0], "", [*asked, *own.items()]),
    )


def _hosts(text: str, port: int) -> tuple[Host, ...]:
    return tuple(_host(part, port) for part in text.split(","))


def _host(text: str, port: int) -> Host:
    try:
        parts = urlsplit(f"//{text}")
        given = port if parts.port is None else parts.port
    except ValueError:  # its text quotes the URL
        raise ValueError("has a host that cannot be read") from None
    if not parts.hostname or not given or parts.netloc != text or "@" in text:
        raise ValueError("has an empty host or a port of 0")
    return parts.hostname, given


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _plain(scheme: str, user: str, host: Host, path: str, options: list[tuple[str, str]]) -> str:
    name = f"[{host[0]}]" if ":" in host[0] else host[0]
    query = f"?{urlencode(options)}" if options else ""
    return f"{scheme}://{user}{name}:{host[1]}{path}{query}"
