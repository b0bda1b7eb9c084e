"""The official MCP conformance suite and the servers it is run against, where they are installed.

`npm ci --prefix tests/clients/mcp` and `python -m tests.support.conformance` install them: the first the suite, Node.js
and the TypeScript server, the second the Python SDK's test server, which comes only with the source of its package.
"""

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.support.gateway import eventually

DIRECTORY = Path(__file__).parents[1] / "clients" / "mcp"
PACKAGES = DIRECTORY / "node_modules"
PYTHON_SERVER = Path(sys.prefix) / "share" / f"mcp-{version('mcp')}"
WITHIN = 120
Checks = dict[str, list[str]]
_TIME = re.compile(r"-\d{4}-\d\d-\d\dT[\dTZ-]+$")


def node() -> str | None:
    """A Node.js that is new enough: the one of the npm project."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    found = PACKAGES / f"node-{sys.platform}-{machine}" / "bin" / "node"
    return str(found) if found.is_file() else None


def program(package: str, *parts: str) -> list[str]:
    """How to run a program of the npm project."""
    return [str(node()), str(PACKAGES.joinpath("@modelcontextprotocol", package, *parts))]


def checks(url: str, spec: str, *, key: str = "") -> dict[str, Checks]:
    """What every check of every server scenario says of a server: scenario, check, its outcomes in order.

    Args:
        spec: the revision of the protocol whose scenarios are run.
        key: sent as the caller's credential, if there is one.
    """
    ran = program("conformance", "dist", "index.js")
    if key:
        ran[1:1] = ["--import", str(DIRECTORY / "sends_key.mjs")]
    with tempfile.TemporaryDirectory() as directory:
        ran += ["server", "--url", url, "--suite", "all", "--spec-version", spec, "--output-dir", directory]
        subprocess.run(ran, env={**os.environ, "AGENT_KEY": key}, capture_output=True, timeout=WITHIN, check=False)
        return {
            _TIME.sub("", file.parent.name.removeprefix("server-")): _outcomes(file)
            for file in sorted(Path(directory).glob("*/checks.json"))
        }


def _outcomes(file: Path) -> Checks:
    found: Checks = {}
    for check in json.loads(file.read_text()):
        if check["status"] != "INFO":
            found.setdefault(check["id"], []).append(check["status"])
    return found


@contextmanager
def serving(command: list[str], env: Mapping[str, str]) -> Iterator[str]:
    """A server in a process of its own; `{port}` in the command and its environment is where it shall listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    given = {name: value.replace("{port}", port) for name, value in env.items()}
    process = subprocess.Popen(
        [part.replace("{port}", port) for part in command],
        env={**os.environ, **given},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _listens(int(port)))
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def install_python_server() -> None:
    """Put the Python SDK's test server, as old as the installed SDK, where the tests look for it."""
    wanted = f"mcp=={version('mcp')}"
    with tempfile.TemporaryDirectory() as directory:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "mcp"]
        subprocess.run([*download, "--dest", directory, wanted], check=True)
        (archive,) = Path(directory).glob("*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(directory, filter="data")
        shutil.rmtree(PYTHON_SERVER, ignore_errors=True)
        shutil.copytree(Path(directory) / f"mcp-{version('mcp')}/examples/servers/everything-server", PYTHON_SERVER)


if __name__ == "__main__":
    install_python_server()
