"""Programs in JavaScript that run commands, as Codex writes them: `await tools.exec_command({cmd: "ls"})`.

Only a small part of the language (ECMA-262) is let through, one in which nothing can be computed that ends in a
command: calls of known executors with literal arguments, names for their results, and printing those. What a command
says is judged after its escapes are taken away.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache

import re2

from gateway.policy.commands.shell import Refused

MAX_CHARACTERS = 16 * 1024

_ESCAPED_OR = r"\\[^\r\nu]|\\u[0-9A-Fa-f]{4}"
_TOKEN = (
    r"(?P<space>[ \t\r\n]+|//[^\r\n\x{2028}\x{2029}]*|/\*(?:[^*]|\*+[^*/])*\*+/)"
    r"|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)"
    r"|(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?)"
    rf"|(?P<text>\"(?:[^\"\\\r\n]|{_ESCAPED_OR})*\"|'(?:[^'\\\r\n]|{_ESCAPED_OR})*'|`(?:[^`\\$\r]|{_ESCAPED_OR})*`)"
    r"|(?P<sign>[()\[\]{},.;:=+])"
)
_ESCAPE = r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|(?s:.))"
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}

_COMMANDS = frozenset({"cmd", "command"})
# What else an executor may be told. Not `workdir`, `shell`, `tty`, `sandbox_permissions`: they change what a command
# does.
_HARMLESS = frozenset({"yield_time_ms", "max_output_tokens", "justification", "session_id", "login", "terminate"})
_MEMBERS = frozenset({"output", "stdout", "stderr", "exit_code", "session_id", "wall_time_seconds", "length", "status"})
# No names for what a program is given: its own names cannot stand for something else then.
_TAKEN = frozenset({"tools", "text", "console", "JSON", "String", "Promise", "await", "const", "let", "var", "null"})


def program_problem(program: str, executors: Collection[str], check: Callable[[str], str | None]) -> str | None:
    """Why this program is denied; None: it is allowed. The text never repeats what the program says.

    Args:
        executors: the names under `tools` that run commands or type into them. Other tools are denied: their arguments
            are for rules of their own.
        check: why a command is denied; asked for every command that the program may run.
    """
    try:
        _Program(_tokens(program), executors, check).statements()
    except Refused as refused:
        return str(refused)
    return None


@dataclass(frozen=True, slots=True)
class _Token:
    """`text` of a string is what it stands for, of everything else what is written."""

    kind: str
    text: str


def _tokens(program: str) -> list[_Token]:
    if len(program) > MAX_CHARACTERS:
        raise Refused(f"the program is longer than {MAX_CHARACTERS} characters")
    try:
        program.encode()
    except UnicodeEncodeError:
        raise Refused("the program is not Unicode") from None
    tokens: list[_Token] = []
    at = 0
    for found in _compiled(_TOKEN).finditer(program):
        if found.start() != at:
            break
        at = found.end()
        kind, written = str(found.lastgroup), found.group()
        if kind != "space":
            tokens.append(_Token(kind, _unescaped(written[1:-1]) if kind == "text" else written))
    if at != len(program):
        raise Refused("the program holds something that is not allowed, or not known, here")
    return tokens


def _unescaped(text: str) -> str:
    def stands_for(found: "re2._Match[str]") -> str:
        escape: str = found.group()[1:]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape == "x" or escape.isdigit():
            raise Refused("the program holds an escape that is not allowed here")
        return _ESCAPED.get(escape, escape)

    return str(_compiled(_ESCAPE).sub(stands_for, text))


@cache
def _compiled(pattern: str) -> "re2._Regexp[str]":
    return re2.compile(pattern)


@dataclass(slots=True)
class _Program:
    """Reads the tokens once, from left to right. Each method takes what it is named after, or raises Refused."""

    tokens: list[_Token]
    executors: Collection[str]
    check: Callable[[str], str | None]
    at: int = 0
    names: set[str] = field(default_factory=set)
    depth: int = 0

    def statements(self) -> None:
        while self.at < len(self.tokens):
            if self._take(";"):
                continue
            if self._take("const", "let", "var"):
                self._binding()
                self._need("=")
            elif self._peek().kind != "name":  # after a line without `;` it would be part of that
                raise Refused("a statement of the program starts with something that is not allowed here")
            self._sum()

    def _peek(self, ahead: int = 0) -> _Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else _Token("end", "")

    def _take(self, *texts: str) -> bool:
        token = self._peek()
        found = token.kind in ("name", "sign") and token.text in texts
        self.at += found
        return found

    def _need(self, *texts: str) -> None:
        for text in texts:
            if not self._take(text):
                raise Refused("the program computes something, or is not known, here")

    def _binding(self) -> None:
        closing = {"[": "]", "{": "}"}.get(self._peek().text)
        if closing is None:
            return self._own_name()
        self.at += 1
        self._own_name()
        while self._take(","):
            self._own_name()
        return self._need(closing)

    def _own_name(self) -> None:
        token = self._peek()
        if token.kind != "name" or token.text in _TAKEN:
            raise Refused("the program names something that is not allowed here")
        self.names.add(token.text)
        self.at += 1

    def _sum(self) -> None:
        self.depth += 1
        if self.depth > 20:
            raise Refused("the program is nested too deeply")
        self._term()
        while self._take("+"):
            self._term()
        self.depth -= 1

    def _term(self) -> None:
        self._take("await")
        token = self._peek()
        self.at += 1
        if token.kind in ("text", "number"):
            return
        if token.text == "(":
            self._sum()
            self._need(")")
        elif token.text == "tools":
            self._execution()
        elif token.text in ("text", "String", "console", "JSON", "Promise"):
            self._known_call(token.text)
        elif token.text not in self.names:
            raise Refused("the program uses something that is not allowed, or not known, here")
        self._members()

    def _known_call(self, name: str) -> None:
        if name == "Promise":
            self._need(".", "all", "(", "[")
            self._list("]")
            return self._need(")")
        self._need(*{"console": (".", "log"), "JSON": (".", "stringify")}.get(name, ()), "(")
        return self._list(")")

    def _list(self, closing: str) -> None:
        while not self._take(closing):
            self._sum()
            if not self._take(","):
                return self._need(closing)
        return None

    def _members(self) -> None:
        while True:
            if self._take("."):
                if self._peek().text not in _MEMBERS:
                    raise Refused("the program uses a member that is not allowed, or not known, here")
                self.at += 1
            elif self._peek().text == "[" and self._peek(1).kind == "number" and self._peek(2).text == "]":
                self.at += 3
            else:
                return

    def _execution(self) -> None:
        self._need(".")
        executor = self._peek()
        if executor.kind != "name" or executor.text not in self.executors:
            raise Refused("the program uses a tool that may not be used in a program here")
        self.at += 1
        self._need("(", "{")
        while not self._take("}"):
            self._property()
            if not self._take(","):
                self._need("}")
                break
        self._need(")")

    def _property(self) -> None:
        key, colon, value = self._peek(), self._peek(1), self._peek(2)
        literal = value.kind in ("text", "number") or (value.kind == "name" and value.text in ("true", "false", "null"))
        if key.kind not in ("name", "text") or (colon.kind, colon.text) != ("sign", ":") or not literal:
            raise Refused("the program computes what it tells an executor; write it as a literal")
        self.at += 3
        if key.text in _COMMANDS and value.kind == "text":
            problem = self.check(value.text)
            if problem is not None:
                raise Refused(problem)
        elif key.text == "chars" and (value.kind, value.text) == ("text", ""):  # asks for more output, types nothing
            return
        elif key.text not in _HARMLESS:
            raise Refused("the program tells an executor something that is not allowed, or not known, here")
