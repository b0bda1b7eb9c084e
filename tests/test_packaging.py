"""What is shipped: the wheel, the image, the check of a commit."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from gateway import __version__
from gateway.settings import load

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel of the tracked files, built without the network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in [*_tracked("gateway"), "pyproject.toml", "README.md", "LICENSE"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
        + ["--no-build-isolation", "--wheel-dir", str(target), str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    (built,) = target.glob("leuko-*.whl")
    return zipfile.Path(built)


def _tracked(under: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", under], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if (ROOT / name).is_file()]


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.Path) -> None:
    names = set(wheel.root.namelist())
    assert set(_tracked("gateway")) <= names
    assert "gateway/py.typed" in names
    assert not any(name.startswith(("tests", "deploy")) for name in names)


def test_the_wheel_says_what_it_is(wheel: zipfile.Path) -> None:
    info = f"leuko-{__version__}.dist-info"
    metadata = (wheel / info / "METADATA").read_text()
    assert "\nName: leuko\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "leuko = gateway.cli:main" in (wheel / info / "entry_points.txt").read_text()
    assert f"{info}/licenses/LICENSE" in wheel.root.namelist()


def test_what_runs_here_satisfies_what_is_asked_for() -> None:
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate():
            assert wanted.specifier.contains(importlib.metadata.version(wanted.name)), text


FLOORS = {
    "orjson": "3.11.6",  # CVE-2025-67221: deeply nested JSON
    "starlette": "1.3.1",  # beyond CVE-2026-48710: a URL made of a forged Host
}


@pytest.mark.parametrize("name", FLOORS)
def test_versions_with_known_holes_are_not_asked_for(name: str) -> None:
    (wanted,) = (one for one in map(Requirement, PROJECT["dependencies"]) if one.name == name)
    assert [str(one) for one in wanted.specifier] == [f">={FLOORS[name]}"]


def test_the_locked_versions_are_those_that_are_asked_for() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = {
        name.lower(): version for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, flags=re.MULTILINE)
    }
    assert lock.count("--hash=sha256:") >= len(locked)
    assert "setuptools" in locked  # the image builds the wheel with it
    for wanted in map(Requirement, PROJECT["dependencies"]):
        assert wanted.specifier.contains(locked[wanted.name.lower()]), f"{wanted}: run `make lock`"


Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The Dockerfile's stages as (instruction, rest) pairs."""
    text = (ROOT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", "".join(line for line in text.splitlines(True) if not line.startswith("#")))
    pairs = [
        (head.upper(), rest.strip()) for head, _, rest in (line.partition(" ") for line in joined.splitlines()) if head
    ]
    starts = [i for i, (head, _) in enumerate(pairs) if head == "FROM"]
    return [pairs[a:b] for a, b in zip(starts, [*starts[1:], len(pairs)], strict=True)]


@pytest.fixture
def image() -> dict[str, list[str]]:
    """The last stage: what each instruction says, in order."""
    found: dict[str, list[str]] = {}
    for head, rest in stages()[-1]:
        found.setdefault(head, []).append(rest)
    return found


def test_the_image_is_built_in_stages_and_the_last_has_no_build_tools(image: dict[str, list[str]]) -> None:
    build, last = stages()
    assert all(stage[0][1].startswith("${PYTHON_IMAGE}") for stage in (build, last))
    assert "python:3.12-slim" in (ROOT / "Dockerfile").read_text()
    assert any("--require-hashes -r requirements.lock" in rest for head, rest in build if head == "RUN")
    assert image["COPY"] == ["--from=build /opt/leuko /opt/leuko"]
    assert not any(tool in run for run in image["RUN"] for tool in ("pip", "apt", "curl"))


def test_the_image_runs_without_rights(image: dict[str, list[str]]) -> None:
    assert image["USER"] == ["10001:10001"]
    assert image["VOLUME"] == ["/data"]
    assert any("--owner=10001" in run and "/data" in run for run in image["RUN"])


def test_the_image_starts_stops_and_is_asked_without_a_shell(image: dict[str, list[str]]) -> None:
    assert [json.loads(rest) for rest in image["ENTRYPOINT"]] == [["leuko", "serve"]]
    assert image["STOPSIGNAL"] == ["SIGTERM"]
    (health,) = image["HEALTHCHECK"]
    assert json.loads(health[health.index("CMD") + 4 :]) == ["leuko", "health"]
    assert "CMD" not in image


def test_the_images_environment_is_one_the_gateway_accepts(image: dict[str, list[str]]) -> None:
    env = dict(pair.split("=", 1) for rest in image["ENV"] for pair in rest.split())
    settings = load(None, {name: value for name, value in env.items() if name.startswith("GATEWAY_")})
    assert (settings.host, str(settings.data_dir)) == ("0.0.0.0", "/data")
    assert image["EXPOSE"] == [str(settings.port)]


def test_the_image_says_where_it_comes_from(image: dict[str, list[str]]) -> None:
    (labels,) = image["LABEL"]
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels
    assert f"VERSION={__version__}" in image["ARG"]


def test_the_builder_gets_what_it_copies_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {name for head, rest in stages()[0] if head == "COPY" for name in rest.split()[:-1]}
    assert "*" in ignored
    assert sent == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_check_of_a_commit_is_a_script_that_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_check_of_a_commit_fails_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_text((ROOT / ".ci" / "run").read_text())
    for test, lint, code in (("true", "true", 0), ("false", "true", 1), ("true", "false", 1)):
        (tmp_path / "Makefile").write_text(f'test:\n\t@echo "port=$$GATEWAY_PORT"; {test}\nlint:\n\t@{lint}\n')
        ran = subprocess.run(
            ["bash", str(script)],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GATEWAY_PORT": "1", "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == code, ran.stderr
        assert "port=\n" in ran.stdout
        assert ("== failed" in ran.stdout) is bool(code)


def test_make_only_says_what_it_would_do() -> None:
    """Every target that is promised exists, and none is a surprise to `make`."""
    promised = ["run", "test", "lint", "format", "bench", "profile", "faults", "lock", "clean"]
    for target in promised:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    headings = re.findall(r"^### (.*)$", text, flags=re.MULTILINE)
    assert set(headings) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
