"""Settings that are objects of their own."""

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.settings.shapes import Whole, comma_separated, is_loopback, json_array

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _duration(value: object) -> object:
    """`30d`, `12h`, `45m`, `90s`, or a number of seconds."""
    if isinstance(value, bool):
        raise ValueError("is not a duration such as 30d, 12h, 45m or 90s")
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise ValueError("is not a duration such as 30d, 12h, 45m or 90s")
        return int(found[1]) * _UNITS[found[2]]
    return value


def network(value: object) -> object:
    """An IP network; an address alone is a network of one."""
    try:
        return ipaddress.ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("is not an address or a network such as 10.0.0.0/8") from None


def _or_off(value: object) -> object:
    """`off` is None; YAML reads it as false."""
    return None if value is False or (isinstance(value, str) and value.strip().lower() == "off") else value


Duration = Annotated[int, Field(ge=1, le=10 * 366 * 86_400), BeforeValidator(_duration)]
DurationOrOff = Annotated[Duration | None, BeforeValidator(_or_off)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(comma_separated)]
Documents = Annotated[tuple[dict[str, Any], ...], BeforeValidator(json_array)]


class Retention(BaseModel):
    """How long what was recorded is kept. `vitals_count` is per agent; the others are seconds."""

    model_config = _FROZEN

    vitals_count: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1000
    vitals: Duration = 7 * 86_400
    calls: Duration = 7 * 86_400
    incidents: Duration = 90 * 86_400
    audit: Duration = 30 * 86_400
    idle_agents: Duration = 30 * 86_400


def _key_source(value: str) -> str:
    """Whoever can change an issuer's keys on their way can be any agent."""
    if value.startswith("http://") and not is_loopback(urlsplit(value).hostname or ""):
        raise ValueError("is fetched without TLS; allowed: https://…, the path of a file, http:// on this machine")
    return value


class JWTSettings(BaseModel):
    """Whose tokens prove who an agent is: `iss` and `aud` as they must be, where the issuer's keys are (an https URL or
    the path of a JWKS file), and the claim that names the agent."""

    model_config = _FROZEN

    issuer: Annotated[str, Field(min_length=1, max_length=1000)]
    audience: Annotated[str, Field(min_length=1, max_length=1000)]
    jwks: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_key_source)]
    claim: Annotated[str, Field(min_length=1, max_length=200)] = "sub"
