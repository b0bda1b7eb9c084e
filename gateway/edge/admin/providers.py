"""`/providers`: where requests can go. Those of the settings are shown, those made here can be deleted too."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from gateway.edge.admin.access import needs
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body
from gateway.store.control import ChangeConflict
from gateway.store.errors import StoreUnavailable
from gateway.store.provider_health import Health
from gateway.store.providers import MOST, MadeProvider, MadeProviders
from gateway.store.routes import Routes
from gateway.upstream.addresses import is_public
from gateway.upstream.providers import Provider, Providers

Dialect = Literal["openai", "azure", "anthropic"]


class NewProvider(Body):
    """`api_key` can be written and never read."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2000)]
    dialect: Dialect = "openai"
    models: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=100)] = []
    api_key: (
        Annotated[SecretStr, Field(min_length=1, max_length=1000, json_schema_extra={"writeOnly": True})] | None
    ) = None


class ShownCircuit(BaseModel):
    """Requests for this model are not sent (`open`, until a probe in `seconds`), but for one (`probing`) or some
    (`ramping`). `workers`: how many see it so."""

    model: str | None
    state: Literal["open", "probing", "ramping"]
    seconds: float
    workers: int


class ShownHealth(BaseModel):
    """The last five minutes over all replicas: calls, those that failed (5xx, no or a broken answer), those that were
    asked to wait (429), and the median times of the others, in milliseconds."""

    calls: int
    failed: int
    limited: int
    latency_ms: float | None
    first_byte_ms: float | None
    circuits: list[ShownCircuit]


class ShownProvider(BaseModel):
    """`health` is null where nothing was asked lately, or nobody can say."""

    name: str
    url: str
    dialect: str
    models: list[str]
    has_key: bool
    api_key_env: str | None
    source: Literal["settings", "api"]
    health: ShownHealth | None = None


class ProviderList(BaseModel):
    items: list[ShownProvider]
    next_cursor: str | None = None


def router(
    in_force: Callable[[], Providers],
    made: MadeProviders,
    routes_of: Routes,
    make: Callable[[MadeProvider], Provider],
    *,
    health: Callable[[], Awaitable[Mapping[str, Health]]],
) -> APIRouter:
    """`in_force` are all providers, `make` turns a definition into one of them or raises ValueError, `health` says how
    they do or raises StoreUnavailable."""
    routes = APIRouter(tags=["providers"])

    @routes.get("/providers", response_model=ProviderList)
    async def list_providers() -> dict[str, Any]:
        """All of them, in the order in which their `models` are tried."""
        try:
            by_name = await health()
        except StoreUnavailable:
            by_name = {}
        items = [
            {**_shown(provider, made), "health": by_name.get(provider.name)} for provider in in_force().by_name.values()
        ]
        return {"items": items, "next_cursor": None}

    _makes(routes, in_force, made, make)
    _deletes(routes, in_force, made, routes_of)
    return routes


def _makes(
    routes: APIRouter,
    in_force: Callable[[], Providers],
    made: MadeProviders,
    make: Callable[[MadeProvider], Provider],
) -> None:
    @routes.post(
        "/providers",
        status_code=201,
        response_model=ShownProvider,
        responses={409: {}},
        dependencies=[needs("admin")],
    )
    async def make_provider(body: NewProvider) -> dict[str, Any]:
        """A provider more, on every worker. It must be at a public address unless the settings allow others: that is
        checked whenever a connection is made."""
        key = None if body.api_key is None else body.api_key.get_secret_value()
        definition = MadeProvider(body.name, body.url, body.dialect, tuple(body.models), key)
        provider = _checked(definition, make)
        if body.name in in_force().by_name:
            raise Problem(409, f"There is a provider {body.name!r} already.")
        if len(made.all()) >= MOST:
            raise Problem(409, f"There are {MOST} providers already.")
        try:
            await made.put(definition)
        except ChangeConflict:
            raise Problem(409, f"A provider {body.name!r} was made or deleted just now.") from None
        return _shown(provider, made)


def _deletes(routes: APIRouter, in_force: Callable[[], Providers], made: MadeProviders, routes_of: Routes) -> None:
    @routes.delete("/providers/{name}", status_code=204, responses={409: {}}, dependencies=[needs("admin")])
    async def delete_provider(name: Annotated[str, Path(max_length=200)]) -> None:
        """Requests under way go on."""
        if made.get(name) is None:
            if name in in_force().by_name:
                raise Problem(409, f"Provider {name!r} is one of the settings, and is changed there.")
            return
        if used := routes_of.to(name):
            raise Problem(409, f"Provider {name!r} is the route of {used} agents; delete those routes first.")
        try:
            await made.drop(name)
        except ChangeConflict:
            raise Problem(409, f"Provider {name!r} was changed just now.") from None


def _checked(definition: MadeProvider, make: Callable[[MadeProvider], Provider]) -> Provider:
    """Raises Problem 422 for what cannot work or is not allowed. Names are checked when a connection is made."""
    try:
        provider = make(definition)
    except ValueError as error:
        field = next((name for name in ("url", "api_key", "models") if f": {name}" in str(error)), "name")
        raise invalid(f"body.{field}", str(error)) from None
    if not provider.endpoint.private_ok:
        if provider.endpoint.scheme != "https":
            raise invalid("body.url", "is not https, which GATEWAY_ALLOW_PRIVATE_UPSTREAMS would allow")
        if _is_address(provider.endpoint.host) and not is_public(provider.endpoint.host):
            raise invalid("body.url", "is a private address, which GATEWAY_ALLOW_PRIVATE_UPSTREAMS would allow")
    return provider


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _shown(provider: Provider, made: MadeProviders) -> dict[str, Any]:
    ours = made.get(provider.name)
    return {
        "name": provider.name,
        "url": provider.url,
        "dialect": provider.dialect,
        "models": list(provider.models),
        "has_key": provider.api_key is not None,
        "api_key_env": provider.api_key_env,
        "source": "settings" if ours is None else "api",
    }
