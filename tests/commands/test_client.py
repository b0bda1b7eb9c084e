"""What a command says when it is refused, or not heard."""

from contextlib import closing

import httpx
import pytest

from gateway.commands.client import AdminClient, Failure, patient
from tests.commands.conftest import Leuko
from tests.support.gateway import ADMIN_KEY, GatewayProcess
from tests.support.upstream import answer, json_answer, threaded


def test_each_end_has_its_exit_code(leuko: Leuko, gateway: GatewayProcess) -> None:
    assert leuko("agents", "show", "agt_nobody", code=1).stderr == "leuko: 404 There is no agent 'agt_nobody'.\n"
    assert "401" in leuko("agents", "list", "--key", "wrong", code=3).stderr
    viewer = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    assert "role admin" in leuko("agents", "create", "x", "--key", viewer, code=3).stderr
    assert "no answer" in leuko("agents", "list", "--url", "http://127.0.0.1:1", code=1).stderr
    assert "not a URL" in leuko("agents", "list", "--url", "http://x:y", code=2).stderr
    leuko("agents", "list", "--limit", "none", code=2)
    assert "agt_?x#y" in leuko("agents", "show", "agt_?x#y", code=1).stderr
    assert "body.name" in leuko("agents", "create", "", code=1).stderr


@pytest.mark.parametrize("typed", ["", "billing"])
@pytest.mark.parametrize(
    "command",
    [
        ("quarantine", "{}", "--reason", "x"),
        ("heal", "{}"),
        ("agents", "show", "{}"),
        ("audit", "tail", "--agent", "{}"),
        ("incidents", "list", "--agent", "{}"),
    ],
)
def test_what_is_no_id_of_an_agent_is_said_to_be_none(leuko: Leuko, command: tuple[str, ...], typed: str) -> None:
    said = leuko(*(part.format(typed) for part in command), code=2).stderr
    assert f"{typed!r} is not the id of an agent: they begin with agt_" in " ".join(said.split())


@pytest.mark.parametrize("noun", ["incidents", "approvals", "policy"])
def test_an_id_that_is_empty_asks_for_nothing_else(leuko: Leuko, noun: str) -> None:
    assert "an id or name is empty" in leuko(noun, "show", "", code=2).stderr


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail":"x","errors":[1]}'])
def test_an_answer_that_is_not_the_gateways_is_a_failure_of_one_line(body: bytes) -> None:
    with threaded(answer(502, body)) as other, closing(AdminClient(other.url, "key")) as client:
        with pytest.raises(Failure, match="^502 ") as raised:
            client.ask("GET", "/agents")
        with pytest.raises(Failure, match="^502 "):
            list(client.lines("/audit/export"))
    assert raised.value.code == 1


def test_a_patient_one_asks_again_while_redis_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.client._PAUSE", 0.0)
    monkeypatch.setattr("gateway.commands.client._TRIES", 2)
    slow = answer(503, b"{}")
    script = [slow, json_answer({"items": []}), slow, slow, answer(404, b"{}")]
    with threaded(script) as other, closing(AdminClient(other.url, "key")) as client:
        ask = patient(client)
        assert ask("GET", "/agents") == {"items": []}
        for status in (503, 404):
            with pytest.raises(Failure) as raised:
                ask("GET", "/agents")
            assert raised.value.status == status


def test_lists_are_read_page_by_page(gateway: GatewayProcess) -> None:
    with closing(AdminClient(gateway.url, ADMIN_KEY)) as client:
        client._http.event_hooks["request"].append(one_at_a_time)
        assert len(client.items("/agents", 2)) == 2
        assert len(client.items("/agents", 1)) == 1


def one_at_a_time(request: httpx.Request) -> None:
    request.url = request.url.copy_set_param("limit", "1")
