"""The configured MCP servers. Pure: what connects is `client`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from urllib.parse import urlsplit

from gateway.model.headers import Headers
from gateway.upstream.providers import Provider

DEFAULT = "default"
_SIGNS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True, eq=False)
class MCPServer:
    """One server. Raises ValueError, naming the member and what is allowed, for a definition that cannot work.

    Args:
        name: as it stands in `/mcp/{name}`, in policies and in tokens.
        url: its endpoint, exactly: unlike a provider's, its path is complete, and a slash at its end counts.
        api_key: what it is shown as a bearer token; no caller's credential ever goes there.
        ca_file: PEM file of the authorities to trust instead of the system's.
    """

    name: str
    url: str
    api_key: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    provider: Provider = field(init=False, repr=False)
    path: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fill = object.__setattr__
        try:
            fill(self, "provider", Provider(self.name, self.url, api_key=self.api_key, ca_file=self.ca_file))
        except ValueError as error:
            raise ValueError(str(error).replace("provider", "MCP server", 1)) from None
        fill(self, "path", urlsplit(self.url).path or "/")

    @property
    def credential(self) -> Headers:
        return [] if self.api_key is None else [(b"authorization", b"Bearer " + self.api_key.encode())]


class MCPServers:
    """All of them. A new configuration is a new instance. Raises ValueError for two names, `a` and `a__b`, that are one
    text before the name of a tool, as clients spell it (`a__b__c`)."""

    def __init__(self, servers: Iterable[MCPServer] = ()) -> None:
        self.by_name: Mapping[str, MCPServer] = {server.name: server for server in servers}
        spelled = {name: f"{_SIGNS.sub('_', name.lower())}__" for name in self.by_name}
        for name, other in combinations(spelled, 2):
            if spelled[name].startswith(spelled[other]) or spelled[other].startswith(spelled[name]):
                raise ValueError(
                    f"MCP servers {name} and {other}: before names of tools one could be read as the other"
                )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)
