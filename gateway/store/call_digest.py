"""The names under which one exact call is known, from the model that proposes it to the server that executes it."""

import hashlib

_BYTES = 16


def call_digest(server: str | None, tool: str, args_hash: str) -> str:
    """32 hexadecimal digits for a call of `tool` with arguments of this hash.

    Args:
        server: the MCP server it is for; None where whoever proposed it named none.
        tool: its own name in normal form, without the server's.
        args_hash: as `gateway.intents.canonical.args_hash`.
    """
    text = "\0".join((server or "", tool, args_hash))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()


def approved_digest(rule: str, digest: str) -> str:
    """The same for a call that a person has approved where this rule wanted that."""
    text = "\0".join(("approved", rule, digest))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()


def call_digests(server: str | None, tool: str, args_hash: str) -> tuple[str, ...]:
    """What a call that `server` is about to execute may have been proposed as, the most exact name first."""
    anywhere = call_digest(None, tool, args_hash)
    return (anywhere,) if server is None else (call_digest(server, tool, args_hash), anywhere)
