"""What the runbook and the guide tell people to press, pressed on a live gateway: each does what it is there for."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.immune.finding import Finding
from gateway.immune.incident import Incident
from gateway.store.approvals import Approvals, Pending
from tests.commands.conftest import read, run
from tests.deploy.test_runbook import COMMANDS, GUIDE, RUNBOOK
from tests.edge.admin.kept import Kept
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

PREFIX = "runbook:"


class World:
    """A gateway with an agent, an incident and two approvals; `said` fills in what a person would."""

    def __init__(self, gateway: GatewayProcess, kept: Kept, directory: Path) -> None:
        self.gateway, self.directory = gateway, directory
        self.agent = gateway.ask("POST", "/agents", json={"name": "billing"}).json()["agent_id"]
        kept.incidents(lambda incidents: incidents.open(_incident(self.agent)))
        self.approvals = [kept.do(lambda store, n=n: _asked(Approvals(store, clock=lambda: 1.8e9), n)) for n in "01"]
        self.said = {"AGENT": self.agent, "APPROVAL": self.approvals[0], "INCIDENT": "inc_drill", "CAUSE": "unknown"}
        self.said |= {"PROVIDER": "other", "NAME": "ops", "VERSION": "1", "FILE": str(directory / "ops.yaml")}

    def press(self, span: str, code: int = 0) -> str:
        """What the command says, with what a person would write in place of capitals and dots."""
        line = re.sub(r"\$\((.*?)\)", lambda found: _contents(self._filled(found[1])), span)
        return run(*shlex.split(self._filled(line))[1:], code=code).output

    def _filled(self, line: str) -> str:
        line = line.replace('"$AGENT"', "AGENT").replace("…", "drill")
        return re.sub(r"(?<!\S)[A-Z]+(?=/|\s|$)", lambda found: self.said.get(found[0], found[0]), line)

    def state(self) -> str:
        return str(self.gateway.admin(f"/agents/{self.agent}").json()["state"])

    def ask(self, key: str) -> int:
        body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.gateway.url}/v1/chat/completions", json=body, headers=headers).status_code


def _incident(agent: str) -> Incident:
    found = Finding("tool_loop", "identical", None, 1.8e9, agent, "req_1", hard=True, detail={"tool": "look"})
    return Incident("inc_drill", agent, 1.8e9, findings=(found,), state="QUARANTINED", reason="tool_loop")


async def _asked(approvals: Approvals, number: str) -> str:
    asked = Pending("tool_call", "agt_1", "restart", {"service": number}, "ops/approval", args_hash=number)
    return (await approvals.ask(asked)).approval_id


def _contents(command: str) -> str:
    assert command.startswith("cat ")
    return Path(command.removeprefix("cat ")).read_text().strip()


@pytest.fixture(scope="module")
def world(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("acts")
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": PREFIX,
        "GATEWAY_DATA_DIR": str(directory / "data"),
        "GATEWAY_PROVIDERS": '{"other":"https://other.example/v1"}',
    }
    with running_gateway("--stub", env=env) as gateway:
        yield World(gateway, Kept(shared_redis.url, PREFIX), directory)


@pytest.fixture(autouse=True)
def where(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_URL", world.gateway.url)
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.chdir(world.directory)


def stopped_and_healed(world: World) -> Iterator[str]:
    yield (span := 'leuko quarantine "$AGENT" --reason "internal error"')
    world.press(span)
    assert world.state() == "QUARANTINED"
    yield (span := 'leuko heal "$AGENT"')
    world.press(span)
    eventually(lambda: world.state() == "PROBATION")
    yield (span := 'leuko quarantine "$AGENT" --reason "cost"')
    world.press(span)
    assert world.state() == "QUARANTINED"
    yield (span := 'leuko release "$AGENT" --reason …')
    world.press(span)
    assert world.state() in ("HEALTHY", "PROBATION")
    yield (span := 'leuko baseline "$AGENT" --accept')
    assert world.press(span) == f"{world.agent}: accepted\n"


def judged(world: World) -> Iterator[str]:
    yield (span := "leuko incidents feedback INCIDENT CAUSE")
    world.press(span)
    assert world.gateway.admin("/incidents/inc_drill").json()["actual_cause"] == "unknown"
    yield "leuko incidents show INCIDENT"
    assert "inc_drill" in world.press("leuko incidents show INCIDENT")
    yield "leuko incidents list"
    assert "inc_drill" in world.press("leuko incidents list")
    yield "leuko approvals list"
    assert all(one in world.press("leuko approvals list") for one in world.approvals)
    yield (span := "leuko approvals show APPROVAL")
    assert "restart" in world.press(span)
    yield (span := "leuko approvals approve APPROVAL")
    world.press(span)
    assert world.gateway.admin(f"/approvals/{world.approvals[0]}").json()["status"] == "approved"
    world.said["APPROVAL"] = world.approvals[1]
    yield (span := "leuko approvals reject APPROVAL --reason …")
    world.press(span)
    assert world.gateway.admin(f"/approvals/{world.approvals[1]}").json()["status"] == "rejected"


def sent_elsewhere(world: World) -> Iterator[str]:
    yield (span := 'leuko routes create "$AGENT" PROVIDER')
    world.press(span)
    routes = world.gateway.admin("/routes").json()["items"]
    assert [(route["agent_id"], route["provider"]) for route in routes] == [(world.agent, "other")]
    run("routes", "delete", world.agent)


def policies(world: World) -> Iterator[str]:
    yield "leuko policy lint"
    yield "leuko policy apply FILE"
    for budget in (1, 2):
        (world.directory / "ops.yaml").write_text(f"name: ops\nbudgets: {{usd_per_day: {budget}}}\n")
        run("policy", "lint", "ops.yaml")
        world.press("leuko policy apply FILE")
    yield (span := "leuko policy versions NAME")
    assert len(world.press(span).splitlines()) == 3
    yield (span := "leuko policy rollback NAME VERSION")
    world.press(span)
    assert "usd_per_day: 1" in json.dumps(world.gateway.admin("/policies/ops").json()).replace('"', "")
    run("policy", "delete", "ops")


def keys(world: World) -> Iterator[str]:
    yield from ('leuko keys create "$AGENT"', "leuko keys create", "leuko keys revoke")
    first = _made(world.press('leuko keys create "$AGENT"'))
    assert world.ask(first["api_key"]) == 200
    world.said["KEY"] = first["key_id"]
    yield (span := "leuko keys create AGENT --replaces KEY --grace-seconds 3600")
    second = _made(world.press(span))
    assert [world.ask(one["api_key"]) for one in (first, second)] == [200, 200]
    yield (span := 'leuko keys revoke "$AGENT" KEY')
    world.said["KEY"] = second["key_id"]
    world.press(span)
    assert world.ask(second["api_key"]) == 401
    yield "leuko keys rotate"
    assert len(read(run("keys", "rotate", "-o", "json"))) >= 2
    made = "leuko admin-keys create --role viewer"
    yield from (made, f"{made} --name prometheus", "leuko admin-keys revoke KEY")
    for span in (made, f"{made} --name prometheus"):
        viewer = _made(world.press(span))
        assert scraped(world, viewer["api_key"]) == 200
        world.said["KEY"] = viewer["key_id"]
        world.press("leuko admin-keys revoke KEY")
        assert scraped(world, viewer["api_key"]) == 401


def scraped(world: World, key: str) -> int:
    return httpx.get(f"{world.gateway.url}/metrics", headers={"authorization": f"Bearer {key}"}).status_code


def _made(output: str) -> dict[str, str]:
    """The members of a record, a line each."""
    return {name: value for name, value in (line.split(None, 1) for line in output.splitlines() if " " in line)}


def the_record(world: World) -> Iterator[str]:
    yield "leuko audit export"
    exported = [json.loads(line) for line in world.press("leuko audit export").splitlines()]
    assert {entry["agent_id"] for entry in exported} >= {world.agent}
    yield "leuko audit tail --decision"
    chain, _, number = exported[0]["entry"].partition("/")
    (found,) = read(run("audit", "tail", "--decision", f"dec_{chain}_{number}", "-o", "json"))
    assert found["entry"] == exported[0]["entry"]
    yield "leuko audit verify"
    assert re.search(r"^valid +yes$", world.press("leuko audit verify"), re.M)
    yield "leuko audit checkpoint"
    checkpoints = world.press("leuko audit checkpoint")
    yield (span := next(one for one in spans() if "--directory" in one))
    shutil.copytree(world.directory / "data/audit", world.directory / "copy/audit")
    kept = world.directory / "kept"
    kept.write_text(checkpoints)
    world.said |= {"COPY": str(world.directory / "copy"), "KEPT": str(kept)}
    assert re.search(r"^valid +yes$", world.press(span), re.M)
    (files,) = [path for path in (world.directory / "copy/audit").iterdir() if path.is_dir()]
    for segment in files.glob("*.log"):
        segment.write_bytes(b"")
    assert not re.search(r"^valid +yes$", world.press(span, code=1), re.M)


def clients(world: World) -> Iterator[str]:
    yield "leuko connect CLIENT --ca-file FILE"
    at = ("--url", "https://leuko.example", "--ca-file", "ca.pem")
    assert "SSL_CERT_FILE" in run("connect", "openai-python", *at).output
    yield "leuko check"
    assert run("check").output.startswith("OK\n")


STORIES: tuple[Callable[[World], Iterator[str]], ...] = (
    stopped_and_healed, judged, sent_elsewhere, policies, keys, clients, the_record,
)  # fmt: skip


def spans() -> list[str]:
    """Every `leuko …` of the running text."""
    found = []
    for page in (RUNBOOK, GUIDE):
        text = re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)
        found += [" ".join(span.split()) for span in re.findall(r"`(leuko [^`]+)`", text)]
    return list(dict.fromkeys(found))


def test_everything_that_is_pressed_does_what_it_is_there_for(world: World) -> None:
    pressed = {span for story in STORIES for span in story(world)}
    assert pressed <= set(spans()), "no page says this"
    assert set(spans()) - pressed - set(COMMANDS) == set(), "nobody has tried this"
