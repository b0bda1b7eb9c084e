"""Labels that are few, whatever callers ask for."""

import pytest

from gateway.model.route import Route
from gateway.telemetry.routes import method_of, operation_of, route_of
from gateway.wire import DIALECTS


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_a_route_and_an_operation(dialect: str) -> None:
    assert route_of(Route(dialect, "/anything")).startswith("/v1/")
    assert operation_of(Route(dialect, "/anything")) in ("chat", "text_completion", "embeddings")


def test_all_that_is_relayed_is_one_route() -> None:
    assert {route_of(Route(None, f"/files/{n}")) for n in range(9)} == {"/v1/{path}"}
    assert operation_of(Route(None, "/files")) == "relay"


def test_methods_nobody_knows_are_one() -> None:
    assert [method_of("POST"), method_of("BREW"), method_of("post")] == ["POST", "_OTHER", "_OTHER"]
