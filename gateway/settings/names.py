"""How settings are spelled: in the environment, in the file, as an option; and how a wrong one is reported."""

import difflib
from collections.abc import Iterable, Sequence

PREFIX = "GATEWAY_"
_UNPREFIXED = frozenset(
    {"llm_upstream_url", "llm_upstream_api_key", "mcp_upstream_url", "ingest_api_key", "log_level", "log_format"}
)
_ALIASES = {"admin_key": ("ADMIN_API_KEY",)}

OPTIONS = {"workers": "--workers", "stub": "--stub", "stub_script": "--stub-script"}
"""Settings that exist on the command line only."""

RESERVED = ("GATEWAY_CAPTURE_CONTENT",)
"""Names of later versions: accepted with a warning, so that one configuration serves two adjacent versions."""

OURS_ELSEWHERE = ("GATEWAY_URL", "GATEWAY_AGENT_KEY")
"""Read by the command line client, not a setting of the server."""


class SettingsError(Exception):
    """Settings the gateway refuses to start with. One line each; never a secret's value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def env_name(field: str) -> str:
    """The environment variable of a setting."""
    return field.upper() if field in _UNPREFIXED else PREFIX + field.upper()


def in_file(name: str) -> str:
    """An environment variable's name as the file spells it."""
    return name.removeprefix(PREFIX).lower()


def spellings(field: str, *, secret: bool) -> tuple[str, ...]:
    """Every environment variable that gives this setting; a secret's may name a file that holds it."""
    names = (env_name(field), *_ALIASES.get(field, ()))
    return (*names, *(f"{name}_FILE" for name in names)) if secret else names


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""
