"""The lasting part of a system prompt: what stays when dates, numbers, paths and ids in it change."""

import re

_LONG = 12
_QUOTES = "([{<`'\"*"
_PATHS = ("/", "~", "./", "../")
_NUMBER = re.compile(r"\d+(?:st|nd|rd|th)?")
_CHANGES = re.compile(r"[\d/\\]")
_DATES = frozenset(
    re.findall(
        r"\w+",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Wed Thu Fri Sat Sun AM PM"
        " January February March April May June July August September October November December"
        " Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec",
    )
)


def lasting(text: str) -> str:
    """The text without URLs, paths, ids, dates and numbers, its white space folded. Linear in its length."""
    kept = []
    for word in text.split():
        if word.isalpha():
            if word not in _DATES:
                kept.append(word)
        elif _CHANGES.search(word) is None:
            if word.rstrip(",.:;") not in _DATES:
                kept.append(word)
        else:
            kept.append(_rest(word))
    return " ".join(filter(None, kept))


def _rest(word: str) -> str:
    """What lasts of a word with digits or slashes: nothing of a path, a URL or an id, else all but the digits."""
    bare = word.lstrip(_QUOTES)
    if "\\" in word or bare.startswith(_PATHS) or word.count("/") > 1:
        return ""
    left = _NUMBER.sub("", word)
    return "" if len(word) >= _LONG and len(left) < len(word) else left
