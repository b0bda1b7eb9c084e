"""Which application answers which path."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.edge.dispatch import Dispatch


def names(name: str) -> Any:
    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope["answered_by"] = name, scope.get("path")

    return app


async def asked(
    path: bytes,
    *,
    host: bytes = b"localhost:4000",
    allowed: str = "localhost [::1]",
    apart: bool = False,
    data: bool = True,
) -> Any:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    dispatch = Dispatch(
        data_plane=names("data") if data else None,
        admin=None if apart else names("admin"),
        page=None if apart else names("page"),
        probe=names("probe"),
        allowed_hosts=allowed.split(),
    )
    scope: dict[str, Any] = {"type": "http", "raw_path": path, "method": "GET", "headers": [(b"host", host)]}
    await dispatch(scope, names("receive"), send)
    return scope.get("answered_by") or sent[0]["status"]


@pytest.mark.parametrize(
    ("path", "who"),
    [
        (b"/v1/models", "data"),
        (b"/chat/completions", "data"),
        (b"/", "data"),
        (b"/api/gateway/agents", "admin"),
        (b"//api//gateway/agents/", "admin"),
        (b"/%61pi/gateway/agents", "admin"),
        (b"/dashboard", "page"),
        (b"//dashboard/app.js", "page"),
        (b"/dashboards", "data"),
        (b"/livez", "probe"),
        (b"/health/ready", "probe"),
    ],
)
async def test_each_path_has_one_owner(path: bytes, who: str) -> None:
    assert (await asked(path))[0] == who


async def test_the_page_answers_to_the_names_of_the_gateway_only_and_where_the_admin_api_does() -> None:
    assert await asked(b"/dashboard", host=b"evil.example") == 421
    assert (await asked(b"/dashboard", apart=True))[0] == "data"


async def test_the_admin_api_sees_the_canonical_path() -> None:
    assert await asked(b"//api/gateway/agents/a%2Fb/") == ("admin", "/api/gateway/agents/a/b")


async def test_feedback_is_taken_beside_the_admin_api_too() -> None:
    assert await asked(b"/api/feedback") == ("admin", "/api/gateway/feedback")
    assert await asked(b"/api/feedback", host=b"evil.example") == 421


async def test_metrics_are_part_of_the_admin_api() -> None:
    assert await asked(b"/metrics") == ("admin", "/api/gateway/metrics")
    assert await asked(b"/metrics", host=b"evil.example") == 421
    assert (await asked(b"/metrics", apart=True))[0] == "data"  # which knows no such path


@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example:4000", b"", b"127.0.0.1@evil"])
async def test_the_admin_api_answers_known_host_names_only(host: bytes) -> None:
    assert await asked(b"/api/gateway/agents", host=host) == 421


@pytest.mark.parametrize("host", [b"LOCALHOST", b"localhost:1", b"[::1]:4000", b"[::1]"])
async def test_a_known_host_name_counts_with_any_port_and_case(host: bytes) -> None:
    assert (await asked(b"/api/gateway/agents", host=host))[0] == "admin"


@pytest.mark.parametrize("name", ["fd00::a:1", "FD00:0::A:1", "[fd00::a:1]"])
@pytest.mark.parametrize("host", [b"[fd00::a:1]", b"[fd00::a:1]:4001", b"[FD00:0:0::A:1]:4001"])
async def test_an_ipv6_address_counts_in_every_spelling(name: str, host: bytes) -> None:
    assert (await asked(b"/metrics", host=host, allowed=name))[0] == "admin"
    assert await asked(b"/metrics", host=b"[fd00::a:2]:4001", allowed=name) == 421
    assert await asked(b"/metrics", host=b"fd00", allowed=name) == 421


async def test_a_listener_of_its_own_takes_the_admin_api_away_from_the_data_plane() -> None:
    assert await asked(b"/api/gateway/agents", apart=True) == 404
    assert (await asked(b"/livez", apart=True))[0] == "probe"
    assert await asked(b"/v1/models", data=False) == 404


async def test_an_ambiguous_path_is_for_the_data_plane_to_refuse() -> None:
    assert (await asked(b"/api/../v1/models"))[0] == "data"
    assert await asked(b"/api/../v1/models", data=False) == 400
