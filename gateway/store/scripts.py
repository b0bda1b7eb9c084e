"""The Lua scripts, read from the package once: one verb a file under `lua/`.

Every script starts with a comment that says what KEYS, ARGV and the reply mean, uses commands of Redis 6.2 only, names
all its keys in KEYS with one hash tag, and replies an array whose first element is KEYS[1]: the connection compares
it, so that a reply can never be taken for another key's. A line `-- part: name` stands for `lua/parts/name.lua`, for
what several scripts have in common.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

_PART = re.compile(r"^-- part: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One file of `lua/`. `digest` is what EVALSHA takes; `by_digest` its name in RESP, `by_source` that of EVAL."""

    name: str
    source: str
    digest: str
    by_digest: bytes
    by_source: bytes


@dataclass(slots=True)
class ScriptCall:
    """A script with its keys and arguments in RESP, for callers that have most of them packed already.

    `key` is KEYS[1]; `by_digest` the command to send.
    """

    script: Script
    key: bytes
    by_digest: bytes

    @property
    def by_source(self) -> bytes:
        """The same for a server that does not know the script."""
        return self.by_digest.replace(self.script.by_digest, self.script.by_source, 1)


def load_scripts() -> dict[str, Script]:
    """Read every script of the package."""
    found, folder = {}, files("gateway.store").joinpath("lua")
    for file in folder.iterdir():
        if file.name.endswith(".lua"):
            name = file.name.removesuffix(".lua")
            source = _PART.sub(lambda part: _read(folder / "parts" / f"{part[1]}.lua"), _read(file))
            # SHA-1 is Redis's name for a script, not a protection.
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            found[name] = Script(name, source, digest, _named("EVALSHA", digest), _named("EVAL", source))
    return found


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")


def _named(command: str, script: str) -> bytes:
    text = script.encode()
    return b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(command), command.encode(), len(text), text)
