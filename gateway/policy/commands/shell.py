"""Reading a command: exactly one simple command, in a form that every shell, and no shell at all, understands alike.

Two readers must agree. The scanner here takes a strict part of the POSIX shell language (IEEE Std 1003.1, Shell Command
Language 2.2-2.6) that sh, bash, zsh, and a plain split into words read the same way; a real grammar of bash then has to
find one command with words at exactly the same places. What either does not know is refused.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import tree_sitter
import tree_sitter_bash

MAX_CHARACTERS = 8 * 1024

_PLAIN = frozenset("-_./:,=+@%")
_GLOB = frozenset("*?[]")
_MEANS = {
    **dict.fromkeys("$`", "a substitution or expansion"),
    **dict.fromkeys("<>", "a redirection"),
    **dict.fromkeys("|;&", "a second command"),
    **dict.fromkeys("()", "a group of commands"),
    **dict.fromkeys("{}", "a brace expansion"),
    "#": "a comment",
    "!": "a history expansion",
    "^": "a history expansion",
    "~": "a home directory",
}


class Refused(ValueError):
    """Why a command is denied. The text never repeats what the command says."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word after quote removal.

    Attributes:
        glob: it holds an unquoted pattern, so that the shell may put several words in its place.
        plain: it was written without quotes and backslashes.
        span: its bytes in the command.
    """

    text: str
    glob: bool = False
    plain: bool = True
    span: tuple[int, int] = (0, 0)


def read(command: str) -> tuple[Word, ...]:
    """The words of the one simple command this is. Raises Refused."""
    if len(command) > MAX_CHARACTERS:
        raise Refused(f"the command is longer than {MAX_CHARACTERS} characters")
    for character in command:
        _character(character)
    words = _Scanner(command).words()
    if not words:
        raise Refused("the command is empty")
    _agree(command, words)
    return words


def _character(character: str) -> None:
    if character.isascii() and character.isprintable():
        return
    if character in "\r\n":
        raise Refused("the command holds a line break")
    # Controls, invisible marks, direction marks, private and lone surrogate characters; spaces that are no space.
    if unicodedata.category(character)[0] in "CZ":
        raise Refused("the command holds a control character or an unusual space")


class _Scanner:
    """Splits into words; each method takes one kind of text from `at` on."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.at = 0

    def words(self) -> tuple[Word, ...]:
        words: list[Word] = []
        while True:
            while self._next() == " ":
                self.at += 1
            if not self._next():
                return tuple(words)
            words.append(self._word())

    def _next(self, ahead: int = 0) -> str:
        return self.command[self.at + ahead : self.at + ahead + 1]

    def _word(self) -> Word:
        start = self.at
        text: list[str] = []
        glob, plain = False, True
        while (character := self._next()) and character != " ":
            if character in "'\"\\":
                plain = False
                text.append({"'": self._single, '"': self._double, "\\": self._escaped}[character]())
                continue
            if character in _GLOB:
                glob = True
            else:
                self._unquoted(character, first=self.at == start)
            text.append(character)
            self.at += 1
        if glob and not plain:
            raise Refused("a word mixes a pattern with quotes")
        before = len(self.command[:start].encode())
        return Word("".join(text), glob, plain, (before, before + len(self.command[start : self.at].encode())))

    def _unquoted(self, character: str, *, first: bool) -> None:
        if character.isalnum() or (character in _PLAIN and not (first and self._expands())):
            return
        if character == "!" and first and self._next(1) in ("", " ", "="):  # `find . ! -name x`, `a != b`
            return
        if character == "~" and not first and self.command[self.at - 1].isalnum():  # `HEAD~1`, `notes~`
            return
        raise Refused(f"the command holds {_MEANS.get(character, 'an unusual character')}; quote it if it is text")

    def _expands(self) -> bool:
        """At the start of a word: zsh puts a binary's path in place of `=name`; `=` and `==` are themselves."""
        return self._next() == "=" and self._next(1) not in ("", " ", "=")

    def _single(self) -> str:
        end = self.command.find("'", self.at + 1)
        if end < 0:
            raise Refused("a quote is not closed")
        text = self.command[self.at + 1 : end]
        if text.endswith("\\"):  # to fish the quote would go on
            raise Refused("a backslash stands before the end of a quote")
        self.at = end + 1
        return text

    def _double(self) -> str:
        text: list[str] = []
        self.at += 1
        while (character := self._next()) != '"':
            following = self._next(1)
            if not following:
                raise Refused("a quote is not closed")
            if character in "$`" or (character == "\\" and following in "$`"):
                raise Refused(f"the command holds {_MEANS['$']}; use single quotes if it is text")
            if character == "!" and following not in ' "':  # an interactive shell looks it up in its history
                raise Refused(f"the command holds {_MEANS['!']}; use single quotes if it is text")
            if character == "\\" and following in '"\\':
                self.at += 1
                character = following
            text.append(character)
            self.at += 1
        self.at += 1
        return "".join(text)

    def _escaped(self) -> str:
        following = self._next(1)
        if not following.isascii() or not following.isprintable() or not following or following.isalnum():
            raise Refused("a backslash stands before a letter or at the end; use single quotes if it is text")
        self.at += 2
        return following


@cache
def _language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_bash.language())


def _agree(command: str, words: tuple[Word, ...]) -> None:
    root = tree_sitter.Parser(_language()).parse(command.encode()).root_node
    children = root.children
    if root.has_error or len(children) != 1 or children[0].type != "command":
        raise Refused("the command is not one simple command")
    if [(part.start_byte, part.end_byte) for part in children[0].children] != [word.span for word in words]:
        raise Refused("the command is not one simple command")
