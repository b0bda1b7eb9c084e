"""`leuko top` on a real terminal, with a real gateway."""

import asyncio
import json
import secrets
import signal
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.store.approvals import Approvals, Pending
from gateway.store.connection import Connection
from tests.commands.conftest import Leuko, read
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.terminal import Program, on_terminal

DOWN, UP, TAB = "\x1b[B", "\x1b[A", "\t"


@pytest.fixture(scope="module")
def prefix() -> str:
    return f"top{secrets.token_hex(4)}:"


@pytest.fixture(scope="module")
def fleet(shared_redis: RedisServer, prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Three agents with names."""
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": prefix,
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
    }
    with running_gateway("--stub", env=env) as one:
        for name in ("anna", "bela", "cora"):
            agent = one.ask("POST", "/agents", json={"name": name}).json()["agent_id"]
            key = one.ask("POST", f"/agents/{agent}/keys").json()["api_key"]
            ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            httpx.post(f"{one.url}/v1/chat/completions", json=ask, headers={"authorization": f"Bearer {key}"})
        eventually(lambda: all(agent["requests"] for agent in one.admin("/agents").json()["items"]))
        yield one


@pytest.fixture
def env(fleet: GatewayProcess) -> dict[str, str]:
    return {"GATEWAY_URL": fleet.url, "GATEWAY_ADMIN_KEY": ADMIN_KEY}


@pytest.fixture
def top(env: dict[str, str]) -> Iterator[Program]:
    with on_terminal("top", env=env) as program:
        yield program


def agent_of(gateway: GatewayProcess, name: str) -> dict[str, Any]:
    return next(agent for agent in gateway.admin("/agents").json()["items"] if agent["name"] == name)


def ask_a_person(redis: RedisServer, prefix: str, agent_id: str, tool: str) -> None:
    async def ask() -> None:
        connection = Connection(redis.url, prefix=prefix, op_timeout=5)
        approvals = Approvals(connection, clock=time.time)
        await approvals.ask(Pending("tool_call", agent_id, tool, {"service": "web"}, "ops/approval", args_hash=tool))
        await connection.close()

    asyncio.run(ask())


def test_agents_are_shown_on_80_by_24_until_q(top: Program, fleet: GatewayProcess) -> None:
    before = top.modes
    text = top.until(lambda text: "anna" in text and "cora" in text and "q quit" in text)
    assert fleet.url in text and "3 agents" in text and "providers" in text and "q quit" in text
    assert "stub-echo" in text and len(top.lines) == 24 and all(len(line) <= 80 for line in top.lines)
    assert not top.modes[3] & termios.ECHO
    top.type("q")
    assert top.ended() == 0
    assert top.modes == before
    assert b"\x1b[?1049h" in top.raw and b"\x1b[?1049l" in top.raw


def test_an_agent_is_stopped_and_released_by_keys_that_ask_first(top: Program, fleet: GatewayProcess) -> None:
    top.until(lambda text: "bela" in text)
    bela = agent_of(fleet, "bela")["agent_id"]
    top.type(DOWN + "Q")
    top.until(lambda text: f"Quarantine bela ({bela})? [y/N]" in text)
    top.type("n")
    top.until(lambda text: "not done" in text)
    assert agent_of(fleet, "bela")["state"] == "INITIALIZING"
    top.type("Qy")
    top.until(lambda text: "done: QUARANTINED" in text and "1 blocked" in text)
    assert agent_of(fleet, "bela")["state"] == "QUARANTINED"
    # The trouble stands first, and the hand is still on it.
    top.until(lambda _: top.lines[4].startswith("bela"))
    top.type("r")
    top.until(lambda text: f"Release bela ({bela})? [y/N]" in text)
    top.type("y")
    top.until(lambda text: "done: PROBATION" in text)
    assert agent_of(fleet, "bela")["state"] == "PROBATION"
    top.type("h")
    top.until(lambda text: "Heal now bela" in text)
    top.type("y")
    top.until(lambda text: "not done: 409" in text)


def test_approvals_are_decided_by_keys(
    top: Program, fleet: GatewayProcess, shared_redis: RedisServer, prefix: str
) -> None:
    top.until(lambda text: "anna" in text)
    for name, tool in (("anna", "restart"), ("cora", "scale")):
        ask_a_person(shared_redis, prefix, agent_of(fleet, name)["agent_id"], tool)
    top.until(lambda text: "2 pending" in text and "restart service=web [ops/approval]" in text)
    top.type(TAB + "x")
    top.until(lambda text: "Reject apr_" in text and "scale service=web" in text)
    top.type("y")
    top.until(lambda text: "done: rejected" in text and "1 pending" in text)
    top.type(TAB + "a")
    top.until(lambda text: "Approve apr_" in text and "restart service=web" in text)
    top.type("y")
    top.until(lambda text: "done: approved" in text and "none pending" in text)
    top.type("a")
    top.until(lambda text: "nothing waits for a person" in text)
    said = {one["tool"]: one["status"] for one in fleet.admin("/approvals").json()["items"]}
    assert said == {"restart": "approved", "scale": "rejected"}


def test_what_happens_is_seen_at_once(top: Program, fleet: GatewayProcess) -> None:
    top.until(lambda text: "cora" in text and "no event yet" in text)
    cora = agent_of(fleet, "cora")["agent_id"]
    fleet.ask("POST", f"/quarantine/{cora}", json={"reason": "seen"})
    top.until(lambda text: "quarantine cora" in text or "QUARANTINED" in text)
    fleet.ask("DELETE", f"/quarantine/{cora}", json={"reason": "seen"})


def test_a_name_is_only_text(env: dict[str, str], tmp_path: Path, shared_redis: RedisServer) -> None:
    inside = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"top{secrets.token_hex(4)}:"}
    inside |= {"GATEWAY_DATA_DIR": str(tmp_path)}
    with running_gateway("--stub", env=inside) as gateway:
        gateway.ask("POST", "/agents", json={"name": "[red]x[/] 你好你好你好你好你好你好"})
        with on_terminal("top", env={**env, "GATEWAY_URL": gateway.url}) as program:
            program.until(lambda text: "[red]x[/]" in text)
            program.type("q")
            assert program.ended() == 0


def test_it_fits_whatever_the_size(top: Program) -> None:
    top.until(lambda text: "anna" in text)
    top.resize(120, 40)
    top.until(lambda text: "q quit" in top.lines[39])
    top.resize(40, 8)
    top.until(lambda text: "Leuko" in top.lines[0] and "↑↓ Tab" in top.lines[7])


def test_it_says_when_it_is_stale(env: dict[str, str], tmp_path: Path, shared_redis: RedisServer) -> None:
    inside = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"top{secrets.token_hex(4)}:"}
    inside |= {"GATEWAY_DATA_DIR": str(tmp_path)}
    with (
        running_gateway("--stub", env=inside) as gateway,
        on_terminal("top", env={**env, "GATEWAY_URL": gateway.url}) as program,
    ):
        program.until(lambda text: "live" in text and "no agent has come yet" in text)
        gateway.stop()
        program.until(lambda text: "STALE" in text and "no answer" in text)
        program.type("q")
        assert program.ended() == 0


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_however_it_ends_the_terminal_is_as_it_was(top: Program, sign: int, code: int) -> None:
    before = top.modes
    top.until(lambda text: "anna" in text)
    top.process.send_signal(sign)
    assert top.ended() == code
    assert top.modes == before and b"\x1b[?1049l" in top.raw


def test_one_frame_is_printed_for_scripts(fleet: GatewayProcess, leuko: Leuko, env: dict[str, str]) -> None:
    text = leuko("top", "--once", env=env).stdout
    assert "anna" in text and "INCIDENTS" in text and "\x1b" not in text and "q quit" not in text
    assert leuko("top", env=env).stdout.count("APPROVALS") == 1  # nobody sits at a terminal here
    answers = read(leuko("top", "-o", "json", env=env))
    assert {agent["name"] for agent in answers["agents"]} == {"anna", "bela", "cora"}
    assert json.dumps(answers["mode"])


def test_who_may_not_look_is_told_so(leuko: Leuko, env: dict[str, str]) -> None:
    assert "401" in leuko("top", code=3, env={**env, "GATEWAY_ADMIN_KEY": "wrong-key-0123456789"}).output
    assert "no answer" in leuko("top", code=1, env={**env, "GATEWAY_URL": "http://127.0.0.1:1"}).output
