"""What a binary may be given: one line a binary, and holding a command's words against it.

A line is read like a synopsis. Only what it names is let through, written out: a long option may not be shortened.

    -abc  --all        options without a value; short ones may be bundled
    -n=COUNT           an option with a value of a kind: -n VALUE, -nVALUE, --lines VALUE, --lines=VALUE
    --color[=WORD]     an option that may have one, after `=` only
    -NUM               a number as an option, `head -5`
    TEXT PATH? PATH* PATH+      operands in order: exactly one, at most one, any number, at least one
    TEXT/-e            an operand that is not there when one of these options is given
    !-t                one of the options so marked has to be given; they stand in the line without the mark, too
    .  .-r             without a path among its operands the binary works on its working directory (with -r it does)
    HERE               it always does
    FIRST              options stand before the operands, what follows them is none
    SUBCOMMAND         the first operand names a line of its own, `git log`; options before it are these
    RAW                it has no options: every word is an operand
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.policy.commands.jail import path_problem
from gateway.policy.commands.kinds import PATHS, TAME, Jail, argument_problem
from gateway.policy.commands.shell import Refused, Word


@dataclass(frozen=True, slots=True)
class Operand:
    """`repeats` is how often it may stand: "", "?", "*" or "+"; `unless` one of these options is given."""

    kind: str
    repeats: str
    unless: frozenset[str]


@dataclass(frozen=True, slots=True)
class Usage:
    """A line, read."""

    flags: frozenset[str]
    values: Mapping[str, str]
    attached: Mapping[str, str]
    operands: tuple["Operand", ...]
    needs: frozenset[str]
    here: frozenset[str]
    words: frozenset[str]


@lru_cache(maxsize=512)
def usage(line: str) -> Usage:
    """A line of a table."""
    flags, values, attached, operands, needs, here, words = set(), {}, {}, [], set(), set(), set()
    for token in line.split():
        name, equals, kind = token.partition("=")
        if token in ("HERE", "FIRST", "RAW", "SUBCOMMAND", "-NUM"):
            words.add(token)
        elif token[0] == "!":
            needs.add(token[1:])
        elif token[0] == ".":
            here.add(token[1:])
        elif token[0] != "-":
            operands.append(_operand(token))
        elif kind.endswith("]"):
            attached[name.removesuffix("[")] = kind.removesuffix("]")
        elif equals:
            values[name] = kind
        else:
            flags.update([name] if name.startswith("--") else [f"-{letter}" for letter in name[1:]])
    return Usage(
        frozenset(flags), values, attached, tuple(operands), frozenset(needs), frozenset(here), frozenset(words)
    )


def _operand(token: str) -> Operand:
    what, *unless = token.split("/")
    kind = what.rstrip("?*+")
    return Operand(kind, what[len(kind) :], frozenset(unless))


def hold(binary: str, tables: Mapping[str, str], words: Sequence[Word], jail: Jail) -> None:
    """Refuses the arguments that the binary's line does not let through. Raises Refused."""
    table = usage(tables[binary])
    walk = _Walk(binary, table, list(words), jail)
    walk.options()
    if table.needs and not table.needs & walk.seen:
        raise Refused(f"{binary} needs one of {', '.join(sorted(table.needs))} here")
    if "SUBCOMMAND" in table.words:
        return _subcommand(binary, tables, walk.operands, jail)
    path_given = walk.place()
    if "HERE" in table.words or (not path_given and ("" in table.here or table.here & walk.seen)):
        refuse_here(binary, jail)
    return None


def refuse_here(binary: str, jail: Jail) -> None:
    """Refuses the working directory, which nobody here knows, unless a pattern lets relative paths through."""
    if jail is not None and path_problem(".", jail) is not None:
        raise Refused(f"{binary} would work on its working directory, which is not under {', '.join(jail)}")


def _subcommand(binary: str, tables: Mapping[str, str], operands: Sequence[Word], jail: Jail) -> None:
    if not operands:
        return
    name = f"{binary} {operands[0].text}"
    if name not in tables:
        raise Refused(f"{binary} has a subcommand that is not allowed, or not known, here")
    hold(name, tables, operands[1:], jail)


@dataclass(slots=True)
class _Walk:
    """Goes through the words once, as getopt does, and keeps the operands."""

    binary: str
    usage: Usage
    words: list[Word]
    jail: Jail
    seen: set[str] = field(default_factory=set)
    operands: list[Word] = field(default_factory=list)
    at: int = 0

    def options(self) -> None:
        literal = "RAW" in self.usage.words
        while self.at < len(self.words):
            word = self.words[self.at]
            self.at += 1
            if literal or word.text == "-" or not word.text.startswith("-"):
                self.operands.append(word)
                literal = literal or not self.usage.words.isdisjoint(("FIRST", "SUBCOMMAND"))
            elif word.text == "--":
                literal = True
            elif word.text.startswith("--"):
                self._long(word)
            elif word.glob:
                raise Refused("a pattern of files stands where an option does")
            elif not ("-NUM" in self.usage.words and word.text[1:].isdecimal()):
                self._short(word.text)

    def _long(self, word: Word) -> None:
        name, equals, value = word.text.partition("=")
        self.seen.add(name)
        # `--include=*.py`: whatever files the shell puts here, each is this option again.
        if word.glob and ("/" in value or self.usage.values.get(name) != "TEXT" or not equals):
            raise Refused("a pattern of files stands where an option does")
        if name in self.usage.values:
            self._value(self.usage.values[name], value if equals else None)
        elif name in self.usage.attached and equals:
            self._value(self.usage.attached[name], value)
        elif equals or not (name in self.usage.flags or name in self.usage.attached):
            raise Refused(f"{self.binary} has an option that is not allowed, or not known, here")

    def _short(self, text: str) -> None:
        for index, letter in enumerate(text[1:], start=2):
            name = f"-{letter}"
            self.seen.add(name)
            if name in self.usage.values:
                return self._value(self.usage.values[name], text[index:] or None)
            if name not in self.usage.flags:
                raise Refused(f"{self.binary} has an option that is not allowed, or not known, here")
        return None

    def _value(self, kind: str, attached: str | None) -> None:
        """Holds a value against its kind; None: it is the next word.

        Where options end at the first operand (BSD, POSIXLY_CORRECT) that word would be an operand, too, behind one.
        """
        if attached is None:
            if self.at >= len(self.words):
                raise Refused(f"{self.binary} misses the value of its last option")
            if self.operands and kind not in TAME and kind not in PATHS:
                raise Refused(f"options of {self.binary} with free text have to stand before its operands")
            word = self.words[self.at]
            self.at += 1
        else:
            word = Word(attached)
        if word.glob:
            raise Refused("a pattern of files stands where an option's value does")
        self._argument(kind, word)

    def _argument(self, kind: str, word: Word) -> None:
        problem = argument_problem(kind, word, self.jail)
        if problem is not None:
            raise Refused(f"{self.binary}: {problem}")

    def place(self) -> bool:
        """Holds each operand against the kind in its place; whether one of them was a path."""
        left = self.operands
        path_given = False
        for operand in self.usage.operands:
            if operand.unless & self.seen:
                continue
            kind = operand.kind
            least, most = {"": (1, 1), "?": (0, 1), "*": (0, len(left)), "+": (1, len(left))}[operand.repeats]
            taken, left = left[:most], left[most:]
            if len(taken) < least:
                raise Refused(f"{self.binary} misses an operand")
            path_given = path_given or bool(taken and kind in PATHS)
            for word in taken:
                if word.glob and not self._may_be_many(operand):
                    raise Refused(f"{self.binary}: a pattern of files stands where one operand does")
                self._argument(kind, word)
        if left:
            raise Refused(f"{self.binary} has more operands than are allowed here")
        return path_given

    def _may_be_many(self, operand: Operand) -> bool:
        """Whether the words that a pattern becomes, and those it moves on, are of this operand's kind all the same."""
        rest = self.usage.operands[self.usage.operands.index(operand) :]
        return rest[-1].repeats in ("*", "+") and all(other.kind == operand.kind for other in rest)
