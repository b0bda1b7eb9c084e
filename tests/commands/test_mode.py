"""`leuko mode`."""

from collections.abc import Iterator

import pytest

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess


@pytest.fixture
def modes(leuko: Leuko, gateway: GatewayProcess) -> Iterator[None]:
    """A policy that has some, and lets everything pass in each."""
    modes = {"NORMAL": {"allow": ["*"]}, "EMERGENCY": {"allow": ["*"]}, "QUIET": {"allow": ["*"]}}
    body = {"name": "cli-modes", "default": "allow", "modes": modes}
    answer = gateway.ask("PUT", "/policies/cli-modes", json=body)
    assert answer.status_code == 201, answer.text
    yield
    leuko("policy", "delete", "cli-modes")


def test_a_mode_that_no_policy_has_is_refused(leuko: Leuko) -> None:
    said = leuko("mode", "set", "EMERGENCY", "--reason", "an incident", code=1).stderr
    assert "a mode of no policy that is meant; allowed: none" in said


def test_a_mode_is_set_shown_and_cleared(leuko: Leuko, modes: None) -> None:
    leuko("mode", "set", "EMERGENCY", code=2)
    said = read(leuko("mode", "set", "EMERGENCY", "--reason", "an incident", "--ttl", "30m", "-o", "json"))
    assert (said["scope"], said["mode"], said["pending"]) == ("everyone", "EMERGENCY", [])
    leuko("mode", "set", "QUIET", "--scope", "team:platform", "-r", "a test")
    shown = leuko("mode", "get").stdout
    assert "everyone" in shown and "EMERGENCY" in shown and "team:platform" in shown and "an incident" in shown
    found = read(leuko("mode", "get", "-o", "json"))
    assert found["mode"] == "EMERGENCY" and found["items"][0]["expires_at"] > found["items"][0]["since"]
    for scope in ("everyone", "team:platform"):
        leuko("mode", "clear", "--scope", scope, "--reason", "over")
    assert read(leuko("mode", "get", "-o", "json"))["items"] == []


def test_what_is_no_duration_or_scope_is_refused(leuko: Leuko) -> None:
    assert "30m" in leuko("mode", "set", "A", "-r", "x", "--ttl", "a while", code=2).output
    assert "body.scope" in leuko("mode", "set", "A", "-r", "x", "--scope", "some", code=1).output
