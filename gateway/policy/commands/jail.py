"""The path jail: which paths a rule's patterns let through, decided from the text alone.

A pattern is a path with `*` (any text within one segment), `?` (one character of a segment) and `**` (anything, also
over segments); a pattern that ends in `/**` also lets the directory before it through. A pattern that starts with
`/` is about absolute paths, any other about paths relative to wherever the command runs. Symbolic links are beyond
what text can tell.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import re2

MAX_PATH = 4096
_ANYTHING = "(?s:.)*"
_ANY = "\0"  # no rule and no path can hold it
_PERCENT = re.compile("%[0-9A-Fa-f]{2}")
_BRACKET = re.compile(r"\[[A-Za-z0-9-]+\]")


def path_problem(path: str, patterns: Sequence[str]) -> str | None:
    """Why the path is not let through; None if one of the patterns lets it through.

    The path has to be canonical as text: no `..`, no home directory, no backslash, nothing encoded, no character that
    another program may take for one of these. Repeated slashes and `.` segments are dropped first. Case counts.
    """
    problem = _odd(path)
    if problem is not None:
        return problem
    if any(_fits(_canonical(path), pattern) for pattern in patterns):
        return None
    return _outside(patterns)


def pattern_problem(path: str, patterns: Sequence[str] | None) -> str | None:
    """Why a shell pattern may stand for a path that is not let through; `patterns` None lets every path through.

    Each `*` is tried as a text that no rule spells out, each `?` and `[...]` as such a character: a rule fits only
    where it lets any text stand. The shell never lets `*` and `?` stand for a first dot, but `.*` is also `..` in
    many shells.
    """
    one = _BRACKET.sub("?", path)
    if path[0] in "*?[" or "**" in path or "[" in one or "]" in one:
        return "a pattern of files starts with a wildcard (write ./* instead), crosses directories or is no simple one"
    if any(segment.startswith(".") and ("*" in segment or "?" in segment) for segment in one.split("/")):
        return "a pattern of files may stand for the directory above"
    problem = _odd(one.replace("*", "x").replace("?", "x"))
    if problem is not None or patterns is None:
        return problem
    sample = _canonical(one.replace("?", _ANY).replace("*", _ANY * 256))
    return None if any(_fits(sample, pattern) for pattern in patterns) else _outside(patterns)


def inside(patterns: Sequence[str]) -> list[str]:
    """Patterns of what is in a directory, in place of those that let the directory itself through, too."""
    return [pattern.removesuffix("**") + "?*/**" if pattern.endswith("/**") else pattern for pattern in patterns]


def covers(pattern: str, narrower: str) -> bool:
    """Whether every path that fits `narrower` certainly fits `pattern`; False where this is not plain to see."""
    if pattern == narrower:
        return True
    if pattern.startswith("/") != narrower.startswith("/"):
        return False
    wide, narrow = _plain(pattern), _plain(narrower)
    if wide in ("/**", "**"):  # every absolute path, every relative one
        return True
    if wide.endswith("/") and "*" in wide:
        return False
    above, tree = wide.removesuffix("/**"), wide.endswith("/**")
    wanted, given = above.rstrip("/").split("/"), narrow.rstrip("/").split("/")
    if len(given) < len(wanted) or (len(given) > len(wanted) and not tree):
        return False
    return all(map(_segment_covers, wanted, given))


def _segment_covers(pattern: str, narrower: str) -> bool:
    if "**" in pattern or "**" in narrower:
        return False  # it may take the slash beside it along, or not
    if pattern in ("*", narrower):
        return True
    return not set("*?") & set(narrower) and bool(_compiled(pattern).fullmatch(narrower))


def _outside(patterns: Sequence[str]) -> str:
    return f"a path is outside {', '.join(patterns) or 'every allowed directory'}"


def _canonical(path: str) -> str:
    body = "/".join(segment for segment in path.split("/") if segment not in ("", "."))
    return "/" + body if path.startswith("/") else body or "."


def _fits(canonical: str, pattern: str) -> bool:
    return canonical.startswith("/") == pattern.startswith("/") and bool(_compiled(pattern).fullmatch(canonical))


def _odd(path: str) -> str | None:
    if not path or len(path) > MAX_PATH:
        return "a path is empty or too long"
    if any(unicodedata.category(character)[0] == "C" for character in path):
        return "a path holds a control or invisible character"
    if not path.isascii() and _looks_alike(path):
        return "a path holds a character that may be taken for another"
    if "\\" in path or _PERCENT.search(path):
        return "a path holds a backslash or a percent-encoded character"
    for segment in path.split("/"):
        if segment.strip(". ") == "" and segment not in ("", "."):
            return "a path leads upwards"
        if segment.startswith("~"):
            return "a path leads to a home directory"
    # Many programs read `@file` as a list of further arguments and `-x` as an option; some read variables themselves.
    if path[0] in "@-" or "$" in path or "`" in path:
        return "a path starts like an option or holds a variable"
    return None


def _looks_alike(path: str) -> bool:
    """Compatibility forms (fullwidth and small slashes and dots), letters that a file system may fold, strange
    spaces."""
    if unicodedata.normalize("NFKC", path) != path or unicodedata.normalize("NFC", path.casefold()) != path.casefold():
        return True
    return any(unicodedata.category(c)[0] not in "LMN" for c in path if not c.isascii())


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "re2._Regexp[str]":
    text = _plain(pattern)
    if text == "/**":
        return re2.compile(_ANYTHING)
    directory = text.endswith("/**")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", text.removesuffix("/**") if directory else text.rstrip("/"))
    return re2.compile("".join(map(_piece, pieces)) + (f"(?:/{_ANYTHING})?" if directory else ""))


def _plain(pattern: str) -> str:
    return pattern.removeprefix("./") if len(pattern) > 2 else pattern


def _piece(piece: str) -> str:
    known = {"**/": f"(?:{_ANYTHING}/)?", "**": _ANYTHING, "*": "[^/]*", "?": "[^/]"}
    return known.get(piece) or re2.escape(piece)
