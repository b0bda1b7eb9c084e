"""Whether a value stands in a text as a whole token: `evil.com` does not stand in `notevil.com` or `evil.com.net`.

Texts and values are compared folded: compatibility forms, case, invisible characters and kinds of white space make no
difference. Work is linear in the text; a value is given up for found or not found, as the caller says, once it has
stood in very many places that were no whole tokens.
"""

import re
import unicodedata

SHORTEST = 4
"""Characters of a value that may stand anywhere; a shorter one must be a whole element of a list, or a whole line."""

_TRIES = 200
_ELEMENTS = 20_000
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
# Scripts that are written without spaces: beside their letters no boundary can be asked for.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HARD = r"\s\"'`()\[\]{}<>«»“”‘’„‚,;|*、。「」『』《》【】…"
_BEFORE = re.compile(rf"[{_HARD}{_SPACELESS}]")
_AFTER = re.compile(rf"[.:!?]{{0,8}}(?:[{_HARD}{_SPACELESS}]|\Z)")
_SPACELESS_ONE = re.compile(f"[{_SPACELESS}]")
_LEADING = "#@$€£¥~"
_PAIR = ":="
_WORD = re.compile(rf"[^{_HARD}{_SPACELESS}]+|[{_SPACELESS}]")
_SEPARATOR = re.compile(r"[,;|、]|\s(?:and|or|und|oder|et|ou|y|o)\s", re.IGNORECASE)
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_EDGES = " \t\r\"'`()[]{}<>«»“”‘’.:!?*"


def folded(text: str) -> str:
    """The form in which texts and values are compared."""
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split())


def stands(value: str, text: str, *, if_tired: bool) -> bool:
    """Whether a value of at least `SHORTEST` characters stands in a text as a whole token; both folded.

    Args:
        if_tired: the answer where the value stands in more places than are looked at.
    """
    at = text.find(value)
    for _ in range(_TRIES):
        if at < 0:
            return False
        if _begins(value, text, at) and _ends(value, text, at + len(value)):
            return True
        at = text.find(value, at + 1)
    return if_tired


def _begins(value: str, text: str, at: int) -> bool:
    if at == 0 or _BEFORE.match(text, at - 1) or _SPACELESS_ONE.match(value):
        return True
    before = text[at - 1]
    if before in _LEADING:
        return at == 1 or _BEFORE.match(text, at - 2) is not None
    if before not in _PAIR:
        return False
    # `to:bob@example.com` and `amount=5000`, but nothing out of a URL or path.
    start = max(text.rfind(" ", 0, at), at - 64)
    return "/" not in text[start + 1 : at]


def _ends(value: str, text: str, end: int) -> bool:
    return _AFTER.match(text, end) is not None or _SPACELESS_ONE.match(value[-1]) is not None


def elements(text: str) -> frozenset[str]:
    """The elements of lists in a text as it was sent, folded: parts of lines between separators, bullets, whole lines.

    At most 20,000 of them, of fewer than `SHORTEST` characters each: others are looked for as tokens.
    """
    found: set[str] = set()
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        for part in _SEPARATOR.split(line if bullet is None else line[bullet.end() :]):
            for one in (part, part.rpartition(":")[2]):
                short = one.strip(_EDGES) if len(one) < 64 else ""
                if short and len(short) < 4 * SHORTEST and 0 < len(short := folded(short)) < SHORTEST:
                    found.add(short)
        if len(found) > _ELEMENTS:
            break
    return frozenset(found)


def words(text: str) -> list[str]:
    """The tokens of a folded text, in order."""
    return [word.strip(".:!?") or word for word in _WORD.findall(text)]


def grams(text: str) -> set[str]:
    """What a folded text is recognised by later: its tokens that are long enough, and pairs of neighbours."""
    of = words(text)
    found = set(of)
    for word in of:
        if not word.isalnum():
            found.update(_inner(word))
    return {one for one in found if len(one) >= SHORTEST} | _pairs(of)


def traits(value: str) -> set[str]:
    """Which of its `grams` a text must have for this folded value to stand in it. Empty for one that is too short."""
    of = words(value)
    if len(of) == 1:
        return {of[0]} if len(of[0]) >= SHORTEST else set()
    return _pairs(of)


def _pairs(of: list[str]) -> set[str]:
    return {f"{one} {two}" for one, two in zip(of, of[1:], strict=False)}


def _inner(word: str) -> list[str]:
    """What may stand as a token of its own in a word."""
    bare = word.lstrip(_LEADING)
    found = [bare] if bare != word else []
    if "/" not in word:
        found += [part for part in re.split("[:=]", bare) if part != word]
    return found
