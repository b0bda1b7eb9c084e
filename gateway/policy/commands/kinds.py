"""What an argument of a command may be: a name for each kind, as the tables write it, and its test.

A kind that is a pattern takes nothing else. Only paths may be shell patterns (`*.log`), and those go through the jail.
"""

from collections.abc import Callable, Sequence
from functools import cache

import re2

from gateway.policy.commands.jail import inside, path_problem, pattern_problem
from gateway.policy.commands.programs import awk_problem, jq_problem, sed_problem
from gateway.policy.commands.shell import Word

# Patterns of the path jail; None: every path is let through.
Jail = Sequence[str] | None

PATHS = frozenset({"PATH", "INPUT", "ARCHIVE", "INSIDE", "ZIP"})
# Kinds without a slash: where another version of a binary would take one for a file, it is one of the working
# directory.
TAME = frozenset({"COUNT", "WORD", "OUTPUT", "SORT", "UNIT"})

_NAME = "[A-Za-z0-9_][A-Za-z0-9_.:-]*"
_PATTERNS = {
    "COUNT": r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?[A-Za-z]{0,3}",
    "WORD": "[A-Za-z0-9_,:%=+][A-Za-z0-9_.,:@%=+-]*",
    "TEXT": "(?s:.)*",
    "PLAIN": "[^$`]*",  # zsh and ksh evaluate numbers that printf and test are given, with substitutions in them
    "FORMAT": "(?:[^-$`][^$`]*)?",  # not `-v NAME`, which sets a variable
    "STAMP": r"\+(?s:.)*",  # without the plus it would set the clock
    "MODE": "0?[0-7]{3}|[ugoa]*[+=-][rwxX]*(?:,[ugoa]*[+=-][rwxX]*)*",  # no set-user-ID bit
    "PERM": "[-/]?(?:[0-7]{1,4}|[ugoa+=,rwxXst]+)",
    "SORT": "[A-Za-z0-9_%,=:+-]+",
    "TYPES": "[axufwlj]+",  # ps: no `e`, which shows environments
    "URL": r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+",  # no file:, and no braces: curl expands them itself
    "HEADER": r"[A-Za-z0-9-]+: ?[^\n]*",  # not @file
    "DATA": "(?s:[^@].*)?",  # not @file
    "WRITEOUT": r"(?:%\{[a-z_]+\}|[A-Za-z0-9 .,:=/_-]|\\n)*",  # not @file, no %output{file}
    "HOST": _NAME,
    "UNIT": "[A-Za-z0-9_][A-Za-z0-9_.:@-]*",
    "LOOKUP": r"@[A-Za-z0-9.:-]+|-[46x]|"
    + _NAME
    + r"|\+(?:no)?(?:short|all|answer|trace|tcp|comments|stats|cmd|question"
    r"|authority|additional|dnssec|multiline)",
    "QUERY": "-(?:type|query|q|timeout)=[A-Za-z0-9]+|" + _NAME,
    "OUTPUT": "json|yaml|wide|name|jsonpath=(?s:.)*|custom-columns=(?s:.)*",  # not jsonpath-file= and its like
    "REVISION": "[A-Za-z0-9_.][A-Za-z0-9_./@^~{}:=,+-]*",
    "RESOURCE": "[a-z0-9][a-z0-9.,-]*(?:/[a-z0-9.-]+)?",
}
_NEVER = {"RESOURCE": "secret", "SORT": "env"}
_PROGRAMS: dict[str, Callable[[str], str | None]] = {"SED": sed_problem, "AWK": awk_problem, "JQ": jq_problem}


def argument_problem(kind: str, word: Word, jail: Jail) -> str | None:
    """Why the word is not of this kind, or may not be; None: it is and may."""
    if kind in PATHS:
        return _path(kind, word, jail)
    if word.glob:
        return "a pattern of files stands where no path does; quote it if it is text"
    if kind in _PROGRAMS:
        return _PROGRAMS[kind](word.text)
    if not _compiled(kind).fullmatch(word.text):
        return f"an argument is not what is allowed in its place ({kind.lower()})"
    if kind == "REVISION" and ".." in word.text.replace(":", "/").split("/"):
        return "a path leads upwards"
    if kind in _NEVER and _NEVER[kind] in word.text.lower():
        return "secrets and environments may not be read"
    return None


def _path(kind: str, word: Word, jail: Jail) -> str | None:
    if kind == "INSIDE" and jail is not None:
        jail = inside(jail)
    if word.glob:
        return pattern_problem(word.text, jail)
    if kind == "ARCHIVE" and ":" in word.text:  # tar asks another machine for it, by a shell
        return "an archive is on another machine"
    if kind == "ZIP" and not word.text.endswith(".zip"):  # zip adds it, and then it is another path
        return "the archive's name does not end in .zip"
    if kind == "INPUT" and word.text == "-":
        return None
    if jail is not None:
        return path_problem(word.text, jail)
    return "a path is empty or starts like an option" if word.text[:1] in ("", "-", "@") else None


@cache
def _compiled(kind: str) -> "re2._Regexp[str]":
    return re2.compile(_PATTERNS[kind])
