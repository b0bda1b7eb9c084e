"""The runbook and the production guide: each alert has its section, each command works, each metric is there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from typer.main import get_command

from gateway.cli import app
from tests.deploy.files import DEPLOY, alerts, selectors
from tests.support.gateway import ADMIN_KEY, eventually, running_gateway
from tests.test_docs import dead_links

RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text("utf-8")
GUIDE = (DEPLOY / "PRODUCTION.md").read_text("utf-8")

_PARTS = ("Meaning", "Look", "Act")


def sections() -> dict[str, str]:
    found = re.split(r"^## (.+)$", RUNBOOK, flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))


def test_each_text_is_one_that_people_can_run() -> None:
    """What is not run by these tests is of other programs, and shell that can be read."""
    for page in (RUNBOOK, GUIDE):
        for block in re.findall(r"^```text\n(.*?)^```", page, flags=re.M | re.S):
            assert not re.search(r"^leuko ", block, re.M), "this can be run"
            read = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, timeout=20)
            assert read.returncode == 0, read.stderr


def commands(document: str) -> list[str]:
    """The lines of every block that is marked as one to run."""
    blocks = re.findall(r"^```bash\n(.*?)^```", document, flags=re.M | re.S)
    return list(dict.fromkeys(line for block in blocks for line in block.splitlines() if line))


def mentions(document: str) -> list[list[str]]:
    """Every `leuko …` in the text, by its words, without what comes after it in a shell."""
    text = re.sub(r"^```.*?^```", "", document, flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`(leuko [^`]+)`", text)]
    written = re.findall(r"^(?:.*-- )?(leuko .+)$", "\n".join(commands(document)), flags=re.M)
    return [re.split(r" [>|;]", span)[0].split() for span in [*spans, *written]]


@dataclass(frozen=True)
class World:
    url: str
    directory: Path
    agent: str

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "GATEWAY_URL": self.url,
            "GATEWAY_ADMIN_KEY": ADMIN_KEY,
            "AGENT": self.agent,
        }
        return subprocess.run(
            ["bash", "-c", line], env=env, cwd=self.directory, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway that has served, failed and refused, with an agent in quarantine."""
    directory = tmp_path_factory.mktemp("runbook")
    (directory / "policies").mkdir()
    (directory / "policies/ops.yaml").write_text("name: ops\ndefault: allow\n")
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(directory / "data")}) as gateway:
        with httpx.Client(headers={"authorization": "Bearer sk-anybody"}) as client:
            for model, status in (("stub-echo", 200), ("stub-error-500", 500)):
                body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
                answered = client.post(f"{gateway.url}/v1/chat/completions", json=body)
                assert answered.status_code == status, answered.text
            eventually(lambda: [one["requests"] for one in gateway.admin("/agents").json()["items"]] == [2])
        agent = gateway.admin("/agents").json()["items"][0]["agent_id"]
        gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "a drill"}).raise_for_status()
        body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
        refused = httpx.post(
            f"{gateway.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer sk-anybody"}
        )
        assert refused.status_code == 403
        yield World(gateway.url, directory, agent)


def test_each_alert_has_a_section_and_no_section_is_of_none() -> None:
    assert list(sections()) and set(sections()) == {rule["alert"] for rule in alerts()}


def test_each_section_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for alert, text in sections().items():
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, flags=re.M) == list(_PARTS), alert
        assert commands(text), f"{alert} has nothing to run"


def test_each_alert_links_to_its_section() -> None:
    for rule in alerts():
        page, _, heading = rule["annotations"]["runbook_url"].partition("#")
        assert (DEPLOY.parent / page).samefile(DEPLOY / "RUNBOOK.md") and heading == rule["alert"].lower()


COMMANDS = list(dict.fromkeys(commands(RUNBOOK) + commands(GUIDE)))


ANSWERS = {
    "leuko health --live": r'"status":"ok"',
    "leuko health": r'"status":"ok"',
    "curl -s -o": r"^200$",
    "leuko providers list": r"^default +https://",
    "leuko audit verify": r"^valid +yes$",
    "leuko audit checkpoint": r'"note": "leuko',
    "leuko audit export": r'"action": ?"call:model"',
    "leuko audit tail --denied --limit 20": r"AGENT .* no .*agent_quarantined",
    "leuko audit tail --agent": r"AGENT +call:model +stub-echo",
    "leuko audit tail --limit 20": r"AGENT +call:model +stub-echo",
    "leuko top --once": r"^1 agents +1 blocked",
    "leuko quarantine": r"AGENT +QUARANTINED .* a drill +inc_",
    "leuko incidents list": r"inc_\w+ +AGENT +QUARANTINED",
    "leuko agents show": r"^state +QUARANTINED$",
    "leuko agents vitals": r"stub-error-500 +500",
    "leuko heal": r"AGENT +QUARANTINED",
    "leuko approvals list --status pending": r"^APPROVAL_ID",
    "leuko policy list": r"^NAME +VERSION .*\n\w+ +1 ",
    "leuko policy lint policies/*.yaml": r"^OK$",
    "leuko keys list": r"^KEY_ID",
}
"""What each command has to say, by its beginning, AGENT for the agent it is about."""


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("leuko metrics ")])
def test_each_command_answers_what_it_is_asked(world: World, line: str) -> None:
    ran = world.run(f"{line}\n{'cat ' + line.split('> ')[1] if '> ' in line else ''}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    expected = max((begins for begins in ANSWERS if line.startswith(begins)), key=len)
    assert re.search(ANSWERS[expected].replace("AGENT", world.agent), ran.stdout, re.M), ran.stdout


def test_each_metric_that_is_looked_at_is_there(world: World) -> None:
    """What is looked for in it need not have happened."""
    exported = world.run("leuko metrics").stdout.splitlines()
    for name in (line.split()[2] for line in COMMANDS if line.startswith("leuko metrics ")):
        assert [line for line in exported if line.startswith(name)], f"no metric begins with {name}"


@pytest.mark.parametrize("page", [RUNBOOK, GUIDE], ids=["runbook", "guide"])
def test_each_command_that_is_named_exists_with_its_options(page: str) -> None:
    for words in mentions(page):
        assert not unknown(words), " ".join(words)


def unknown(words: list[str]) -> set[str]:
    """What of a command line `leuko` does not know."""
    command: Any = get_command(app)
    context = click.Context(command)
    rest = words[1:]
    while hasattr(command, "commands") and rest:
        found = command.get_command(context, rest[0])
        if found is None:
            return {rest[0]}
        command, rest = found, rest[1:]
    options = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    return {word for word in rest if word.startswith("-")} - options


def test_a_command_that_is_not_there_is_found() -> None:
    assert unknown(["leuko", "audits", "tail"]) == {"audits"}
    assert unknown(["leuko", "audit", "tail", "--nope"]) == {"--nope"}


def test_every_metric_of_every_alert_is_exported(world: World) -> None:
    exported = set(re.findall(r"^(\w+)", world.run("leuko metrics").stdout, flags=re.M))
    wanted = {re.split(r"[{\[]", one)[0] for rule in alerts() for one in selectors(rule["expr"])}
    assert wanted - exported <= {"up"}  # Prometheus' own


def test_no_link_of_the_pages_is_dead() -> None:
    for page in (RUNBOOK, GUIDE):
        assert dead_links(re.sub(r"\]\((?=[A-Z])", "](deploy/", page).replace("](../", "](")) == []


def test_links_between_the_pages_go_to_headings() -> None:
    pages = {"RUNBOOK.md": RUNBOOK, "PRODUCTION.md": GUIDE, "../README.md": (DEPLOY.parent / "README.md").read_text()}
    for page in (RUNBOOK, GUIDE):
        for target, heading in re.findall(r"\]\(([\w./]+)#([\w-]+)\)", page):
            headings = re.findall(r"^#+ (.+)$", pages[target], flags=re.M)
            assert heading in {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_the_guides_figures_are_the_measured_ones() -> None:
    """The table is about the numbers that `make faults` and `make bench` have written."""
    runs = json.loads((DEPLOY.parent / "tests/faults/summary.json").read_text("utf-8"))["runs"]
    waiting, many = runs["streams that wait, while others come and go"], runs["a hundred thousand agents"]
    assert f"{waiting['kib_each']:.0f} KiB" in GUIDE and f"{waiting['streams']:,} open ones" in GUIDE
    assert f"{many['redis_mib']:.0f} MiB" in GUIDE
