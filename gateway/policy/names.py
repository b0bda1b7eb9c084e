"""The names of tools as rules know them."""

from collections.abc import Collection

from gateway.model.bounded import make_room
from gateway.policy.actions import named_server, normal, split_server
from gateway.policy.look_alikes import plain_letters

_REMEMBERED = 10_000
_LONGEST = 200


class Names:
    """Tool names in normal form; models write the same few again and again. `servers` are the configured ones."""

    def __init__(self, servers: Collection[str] = ()) -> None:
        self._servers = tuple(servers)
        self._known: dict[str, tuple[str | None, str]] = {}
        self._literal: dict[str, str] = {}
        self._plain: dict[str, str] = {}

    def of(self, tool: str, server: str | None = None) -> tuple[str | None, str]:
        """The server that a client's prefix names, and the tool's name in normal form.

        Args:
            server: where it is, if that is said beside the name: then nothing in the name is a client's prefix.
        """
        if server is not None:
            return self.server_of(server), self._normal(tool)
        known = self._known.get(tool)
        if known is None:
            server, own = split_server(tool, self._servers)
            known = server, normal(own)
            if len(tool) <= _LONGEST:
                make_room(self._known, _REMEMBERED)
                self._known[tool] = known
        return known

    def _normal(self, tool: str) -> str:
        known = self._literal.get(tool)
        if known is None:
            known = normal(tool)
            if len(tool) <= _LONGEST:
                make_room(self._literal, _REMEMBERED)
                self._literal[tool] = known
        return known

    def plain(self, tool: str, server: str | None = None) -> str:
        """The tool's own name in normal form, in the letters that it shows to a reader; `server` as in `of`."""
        if server is not None:
            return plain_letters(normal(plain_letters(tool)))
        known = self._plain.get(tool)
        if known is None:
            # Again: some letters look like another one only once they are small.
            known = plain_letters(normal(plain_letters(split_server(tool, self._servers)[1])))
            if len(tool) <= _LONGEST:
                make_room(self._plain, _REMEMBERED)
                self._plain[tool] = known
        return known

    def own(self, tool: str, server: str | None = None) -> str:
        """The tool's own name as it was written, without a client's prefix; `server` as in `of`."""
        return split_server(tool, self._servers)[1] if self._servers and server is None else tool

    def posing(self, tool: str) -> tuple[str, str] | None:
        """The server and the tool on it that a name would mean if it began with a client's prefix."""
        server, own = split_server(tool, self._servers) if self._servers else (None, tool)
        return None if server is None else (server, own)

    def server_of(self, namespace: str) -> str:
        """The configured server that a tool's namespace names, else the namespace itself."""
        return named_server(namespace, self._servers) if self._servers else namespace

    def known_as(self, tool: str) -> str:
        """One text for a tool: its name in normal form, after its server where it has one."""
        server, name = self.of(tool)
        return name if server is None else f"{server}/{name}"

    def all_known_as(self, tool: str) -> tuple[str, ...]:
        """What a tool that a rule names may be known as: on any server, unless the rule names one."""
        server, name = self.of(tool)
        if server is not None:
            return (self.known_as(tool),)
        return (name, *(f"{server}/{name}" for server in self._servers))
