"""What the README promises holds: its marked blocks run, its tables are complete, its links lead somewhere.

A block is marked by a comment on the line above it (or with one empty line between):

    <!-- test: run -->                a ```bash or ```python block that must succeed, in a directory of its own
    <!-- test: run with gateway -->   the same, while `leuko serve --stub` runs; http://127.0.0.1:4000 and
                                      http://localhost:4000 stand for it, $GATEWAY_ADMIN_KEY for its key
    <!-- test: output -->             each line of this block is in what the run before it printed
    <!-- test: file NAME -->          this block is the file NAME of that directory
    <!-- test: read -->               a ```yaml, ```json or ```python block that must be well-formed
    <!-- test: policy -->             a ```yaml block that must be a policy document

The settings stand between `<!-- settings -->` and `<!-- /settings -->` as `settings_table()` prints them.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gateway.policy.cases import check_cases
from gateway.policy.document import parse
from gateway.policy.reading import read
from gateway.settings import settings_table
from tests.support.cloud import running_cloud
from tests.support.gateway import ADMIN_KEY, running_gateway

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost):4000")
MARKED = re.compile(
    r"^<!-- test: (?P<mark>.*?) -->\n\n?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"^<!-- test:", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One marked block. `expected` are the lines that its output must have."""

    line: int
    mark: str
    language: str
    text: str
    expected: tuple[str, ...] = ()


def blocks(document: str) -> list[Block]:
    """Every marked block in order; an `output` block becomes part of the run before it."""
    found: list[Block] = []
    for match in MARKED.finditer(document):
        line = document.count("\n", 0, match.start()) + 1
        block = Block(line, match["mark"], match["language"], match["text"])
        if block.mark == "output":
            ran = found.pop()
            assert ran.mark.startswith("run"), f"README line {line}: an output without a run before it"
            block = Block(ran.line, ran.mark, ran.language, ran.text, tuple(block.text.splitlines()))
        found.append(block)
    return found


BLOCKS = blocks(README)
RUNS = [block for block in BLOCKS if block.mark.startswith("run")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the README shows."""
    directory = tmp_path_factory.mktemp("readme")
    for block in BLOCKS:
        if block.mark.startswith("file "):
            (directory / block.mark.removeprefix("file ").strip()).write_text(block.text)
    return directory


@pytest.fixture(scope="module")
def gateway_url(workspace: Path) -> Iterator[str]:
    """With the simulated cloud behind `/mcp/cloud`."""
    with running_cloud() as cloud:
        env = {"GATEWAY_DATA_DIR": str(workspace / "data"), "GATEWAY_MCP_SERVERS": json.dumps({"cloud": cloud.url})}
        with running_gateway("--stub", env=env) as gateway:
            yield gateway.url


def run(block: Block, directory: Path, url: str | None) -> str:
    """What the block prints, both streams; fails if it fails."""
    text = LOCAL.sub(url, block.text) if url else block.text
    shells = {"bash": ["bash", "-euo", "pipefail", "-c"], "sh": ["bash", "-eu", "-c"], "python": [sys.executable, "-c"]}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [*shells[block.language], text],
        cwd=directory,
        env={"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8", "GATEWAY_ADMIN_KEY": ADMIN_KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
    )
    assert ran.returncode == 0, f"README line {block.line} fails:\n{text}\n{ran.stdout}"
    return ran.stdout


def missing(expected: tuple[str, ...], output: str) -> list[str]:
    return [line for line in expected if line.strip() and line.strip() not in output]


def well_formed(block: Block) -> None:
    """Raises what the language's own reader raises."""
    readers = {"yaml": yaml.safe_load, "json": json.loads, "python": ast.parse}
    readers[block.language](block.text)


def settings_problem(document: str) -> str | None:
    """Why the document does not show the settings as they are, or None."""
    found = re.search(r"<!-- settings -->\n+(.*?)\n*<!-- /settings -->", document, re.DOTALL)
    if found is None:
        return "has no settings between <!-- settings --> and <!-- /settings -->"
    return None if found[1].strip() == settings_table().strip() else "shows other settings than the gateway has"


def rooms() -> list[str]:
    """The directories of the package, and its modules beside them, as a map calls them."""
    package = ROOT / "gateway"
    folders = [f"{path.name}/" for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))]
    return sorted(folders + [path.name for path in package.glob("*.py") if path.name != "__init__.py"])


def dead_links(document: str) -> list[str]:
    """Relative links to files that are not there, and links within the page to headings that are not there."""
    headings = {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", document, re.MULTILINE)
    }
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", document, flags=re.DOTALL))
    return [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target)
        and not (target[1:] in headings if target.startswith("#") else (ROOT / target.partition("#")[0]).exists())
    ]


def written(document: str) -> bool:
    """Whether there is more than a title: then everything below is promised."""
    return "\n## " in document


@pytest.mark.parametrize("block", RUNS, ids=lambda block: f"line {block.line}")
def test_a_block_of_the_readme_runs_and_prints_what_it_says(
    block: Block, workspace: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("gateway_url") if block.mark == "run with gateway" else None
    output = run(block, workspace, url)
    assert not missing(block.expected, output), output


def test_every_mark_in_the_readme_marks_a_block() -> None:
    assert RUNS or not written(README)
    outputs = sum(bool(block.expected) for block in BLOCKS)
    assert len(MARK.findall(README)) == len(BLOCKS) + outputs
    for block in BLOCKS:
        known = re.fullmatch(r"run|run with gateway|read|policy|file [\w./-]+", block.mark)
        assert known, f"line {block.line}: {block.mark}"
        if block.mark == "read":
            well_formed(block)
        elif block.mark == "policy":
            check_cases(parse(read(block.text, f"line {block.line}"), f"line {block.line}"))


def test_the_readme_shows_every_setting_as_it_is() -> None:
    if written(README):
        problem = settings_problem(README)
        assert problem is None, f"README {problem}; it should show:\n{settings_table()}"


def test_the_readmes_map_has_every_room() -> None:
    if written(README):
        assert [room for room in rooms() if room not in README] == []


def test_no_link_of_a_page_is_dead() -> None:
    for page in ROOT.glob("*.md"):
        assert dead_links(page.read_text("utf-8")) == [], page.name


SAMPLE = """# Sample
<!-- test: run -->
```bash
cat hello.txt; echo "${GATEWAY_PORT:-unset}"
```

<!-- test: output -->

```text
hello there
unset
```
<!-- test: file hello.txt -->
```
hello there
```
<!-- test: run -->
```python
print("http://localhost:4000/v1")
```
```bash
exit 1
```
"""


def test_marked_blocks_are_found_with_their_output_and_others_are_left_alone(tmp_path: Path) -> None:
    shell, file, python = blocks(SAMPLE)
    assert (shell.mark, shell.expected, shell.line) == ("run", ("hello there", "unset"), 2)
    assert (file.mark, file.text) == ("file hello.txt", "hello there\n")
    (tmp_path / "hello.txt").write_text(file.text)
    assert not missing(shell.expected, run(shell, tmp_path, None))
    assert missing(("good bye",), run(shell, tmp_path, None)) == ["good bye"]
    assert run(python, tmp_path, "http://127.0.0.1:9") == "http://127.0.0.1:9/v1\n"


@pytest.mark.parametrize(("language", "text"), [("bash", "false | true"), ("bash", "nope; true"), ("python", "1/0")])
def test_a_block_that_fails_is_reported(language: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="line 7 fails"):
        run(Block(7, "run", language, text), tmp_path, None)


def test_a_settings_table_that_differs_is_reported() -> None:
    good = f"<!-- settings -->\n\n{settings_table()}\n<!-- /settings -->\n"
    assert settings_problem(good) is None
    assert settings_problem(good.replace("4000", "4001")) == "shows other settings than the gateway has"
    assert "has no settings" in str(settings_problem("# x"))


def test_a_dead_link_is_reported() -> None:
    text = "# A b\n[x](pyproject.toml) [y](nowhere.md) [z](#a-b) [w](#c) [v](https://x.example/y)\n"
    assert dead_links(text) == ["nowhere.md", "#c"]


def test_a_room_is_a_directory_with_code_or_a_module() -> None:
    assert {"model/", "wire/", "cli.py", "settings/"} <= set(rooms())
