"""How a provider does, from what the admin API says of it, in the words of tables."""

from collections.abc import Mapping
from typing import Any

_CALLS = 5  # below it a share says nothing
_SHARE = 0.2  # as of the alert LeukoProviderFailing


def failing(provider: Mapping[str, Any]) -> bool:
    """Whether a person should look: a model of it is not asked any more, or a fifth of its latest calls failed."""
    health = provider.get("health")
    if health is None:
        return False
    return bool(_open(health)) or (health["calls"] >= _CALLS and health["failed"] >= _SHARE * health["calls"])


def told(provider: Mapping[str, Any]) -> str | None:
    """Its calls within five minutes, and what of it is not asked for now; None where nobody has asked."""
    health = provider.get("health")
    if health is None:
        return None
    parts = [f"{health['failed']} of {health['calls']} failed"]
    parts += [f"{one['model'] or 'all of it'} not asked for {one['seconds']:.0f} s" for one in _open(health)]
    return ", ".join(parts)


def _open(health: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in health["circuits"] if one["state"] == "open"]
