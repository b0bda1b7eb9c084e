"""Settings that are objects of their own."""

import base64
import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic import ValidationInfo as Info

from gateway.background.webhook import WebhookEvent
from gateway.settings.shapes import WebhookUrl, Whole, comma_separated, is_loopback, json_array

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


def whsec(value: SecretStr) -> SecretStr:
    """As Standard Webhooks has it: `whsec_` and the base64 of 24 to 64 bytes."""
    prefix, _, encoded = value.get_secret_value().partition("_")
    try:
        length = len(base64.b64decode(encoded, validate=True))
    except ValueError:
        length = 0
    if prefix != "whsec" or not 24 <= length <= 64:
        raise ValueError("is not whsec_ and the base64 of 24 to 64 bytes")
    return value


class WebhookSettings(BaseModel):
    """Who is told of what happens. `secret` signs what is sent; `secret_env` names a variable that holds it."""

    model_config = _FROZEN

    url: Annotated[WebhookUrl, Field(repr=False)]
    secret: Annotated[SecretStr, AfterValidator(whsec), Field(repr=False)]
    secret_env: str | None = None
    events: Annotated[tuple[WebhookEvent, ...], Field(min_length=1)] = ("approval.requested",)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object, info: Info) -> object:
        """A named variable is read here, by the context's `secret`."""
        if not isinstance(value, dict):
            return value
        name = value.get("secret_env")
        if info.context is None or name is None:
            if "secret" not in value:
                raise ValueError("has no secret; allowed: secret, or secret_env with the name of a variable")
            return value
        if "secret" in value:
            raise ValueError("has secret and secret_env; allowed: one of them")
        found = info.context["secret"](name) if isinstance(name, str) else None
        if found is None:
            raise ValueError(f"secret_env names {name}, which is not set")
        return {**value, "secret": found}


def _distinct(webhooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    if len({webhook.url for webhook in webhooks}) < len(webhooks):
        raise ValueError("has one url twice")
    return webhooks


Webhooks = Annotated[
    tuple[WebhookSettings, ...], Field(max_length=20), BeforeValidator(json_array), AfterValidator(_distinct)
]
