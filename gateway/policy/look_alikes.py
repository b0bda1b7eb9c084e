"""Texts as a reader sees them: what is never shown is left out, and letters stand for those they look like.

The look-alikes are the Cyrillic, Greek, Armenian and Latin letters that Unicode's table of confusables (UTS #39,
https://www.unicode.org/Public/security/latest/confusables.txt) has for a basic Latin one, capital letters for capital
ones; letters with accents stand for those without. Not known: other scripts, one letter for several (`rn` for `m`),
digits for letters.
"""

import re
import unicodedata
from urllib.parse import unquote

_ROUNDS = 8
_AGAIN = re.compile("%(?:25)+")
_SLASHES = re.compile("/{2,}")
_SCHEME = re.compile("[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), less what has category Cf.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")

_LOOK_LIKE = {
    "a": "аɑαᴀ",
    "b": "вьβʙ",
    "c": "сϲᴄ",
    "d": "ԁᴅđ",
    "e": "еҽɛεᴇє",
    "f": "ꜰքẝ",
    "g": "ɡցɢ",
    "h": "һհнħʜ",
    "i": "іıιɩɪ",
    "j": "јϳȷյᴊ",
    "k": "кκᴋ",
    "l": "ӏłʟꞁ",
    "m": "мᴍ",
    "n": "пηոɴ",
    "o": "оοօσøᴏ",
    "p": "рρᴘ",
    "q": "ԛզգ",
    "r": "гʀᴦ",
    "s": "ѕꜱ",
    "t": "тτŧᴛ",
    "u": "υսᴜʋ",
    "v": "ѵνᴠ",
    "w": "ԝωաᴡ",
    "x": "хχ",
    "y": "уγүʏ",
    "z": "ᴢʐ",
    "A": "АΑ",
    "B": "ВΒ",
    "C": "СϹ",
    "D": "Đ",
    "E": "ЕΕЄ",
    "F": "Ϝ",
    "G": "Ԍ",
    "H": "НΗĦ",
    "I": "ІΙӀ",
    "J": "Ј",
    "K": "КΚ",
    "L": "ԼŁ",
    "M": "МΜ",
    "N": "Ν",
    "O": "ОΟՕØ",
    "P": "РΡ",
    "Q": "Ԛ",
    "R": "Ʀ",
    "S": "ЅՏ",
    "T": "ТΤŦ",
    "U": "Ս",
    "V": "Ѵ",
    "W": "Ԝ",
    "X": "ХΧ",
    "Y": "УΥҮ",
    "Z": "Ζ",
}
_PLAIN = str.maketrans({letter: plain for plain, letters in _LOOK_LIKE.items() for letter in letters})


def plain_letters(text: str) -> str:
    """The text in the basic Latin letters that it shows."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", _seen(text))
    return "".join(c for c in apart if unicodedata.category(c) != "Mn").translate(_PLAIN)


def plain_resource(text: str) -> str:
    """A resource as the most lenient of its readers would take it: decoded, in NFKC, without what is never shown, each
    run of slashes one slash. Letters stay what they are.

    One that is percent-encoded more than 8 times over is not decoded to the end; see `is_overcoded`.
    """
    if text.isascii() and "%" not in text and "//" not in text:
        return text
    for _ in range(_ROUNDS):
        before, text = text, unquote(_AGAIN.sub("%", unicodedata.normalize("NFKC", _seen(text))))
        if text == before:
            break
    if "//" not in text:
        return text
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme is not None else 0
    return text[:start] + _SLASHES.sub("/", text[start:])


def is_overcoded(text: str) -> bool:
    """Whether a resource in its plain form is encoded still."""
    return "%" in text and unquote(_AGAIN.sub("%", text)) != text


def _seen(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in _UNSEEN.sub("", text) if unicodedata.category(c) != "Cf")
