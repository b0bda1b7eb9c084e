"""What stands for the exact arguments of a call where they must not be kept: in the record, and in an approval."""

import json
from typing import Any

from gateway.identity.derived import keyed, subkey

_BYTES = 16


class ArgumentsHash:
    """Keyed with the deployment's secret, so that nobody can guess arguments and check them.

    The same arguments have one hash, in whatever order their members were written.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = subkey(secret, "leuko/arguments/1")

    def __call__(self, tool: str, arguments: Any, server: str | None = None) -> str:
        """32 hexadecimal digits. `arguments` as they were read: JSON values, or the text of a custom tool."""
        exact = json.dumps([server, tool, arguments], sort_keys=True, separators=(",", ":"))
        return keyed(self._key, exact.encode())[:_BYTES].hex()
