"""The Lua scripts, read from the package once: one verb a file under `lua/`.

Every script starts with a comment that says what KEYS, ARGV and the reply mean, uses commands of Redis 6.2 only, names
all its keys in KEYS with one hash tag, and replies an array whose first element is KEYS[1]: the connection compares
it, so that a reply can never be taken for another key's.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """One file of `lua/`. `digest` is what EVALSHA takes."""

    name: str
    source: str
    digest: str


def load_scripts() -> dict[str, Script]:
    """Read every script of the package."""
    found = {}
    for file in files("gateway.store").joinpath("lua").iterdir():
        if file.name.endswith(".lua"):
            name = file.name.removesuffix(".lua")
            source = file.read_text(encoding="utf-8")
            # SHA-1 is Redis's name for a script, not a protection.
            found[name] = Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
    return found
