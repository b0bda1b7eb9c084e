"""Finds in texts that a model reads what a person would not see there, or what speaks to the model behind their back.

A finding is a hint for people, never a verdict: honest texts hold such characters and phrases too, and harmful ones
need neither.
"""

import re
from collections.abc import Iterable

import re2

LONGEST = 128 * 1024
"""Characters of all texts together that are looked at."""

ZERO_WIDTH = "zero_width"
BIDI = "bidi"
TAGS = "tag_characters"
SELECTORS = "variation_selectors"
PHRASES = "instructions"

# Joiners alone are part of many scripts and of emoji: they are told only between ASCII letters, or in a row.
_ZERO_WIDTH = re.compile(
    "[\u180e\u200b\u2060-\u2064\ufeff]|[\u200c\u200d]{2}|(?<=[A-Za-z0-9 ])[\u200c\u200d](?=[A-Za-z0-9 ])"
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAGS = re.compile("[\U000e0000-\U000e007f]")
_SELECTORS = re.compile("[\ufe00-\ufe0f]{2}|[\U000e0100-\U000e01ef]{2}|[\U000e0100-\U000e01ef](?=[ -~])")
_ANY = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]")
_UNSEEN = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
_SHOWN = {0xE0000 + code: code for code in range(0x20, 0x7F)}

_SAYINGS = (
    r"\b(?:ignore|disregard|forget|override|bypass)\s+(?:(?:all|any|the|your|of|my|these|those)\s+){0,4}"
    r"(?:previous|prior|above|earlier|preceding|former|existing|system)\s+"
    r"(?:instructions?|prompts?|rules?|messages?|context|directions?|guidelines?|commands?)",
    r"\b(?:do\s+not|don['\x{2019}]?t|never|must\s+not|without)\s+(?:ever\s+)?"
    r"(?:tell|telling|inform|informing|mention|mentioning|reveal|revealing|notify|notifying|alert|alerting|show|showing)"
    r"\s+(?:(?:this|it|anything|about|any\s+of\s+this|of\s+this|that)\s+){0,3}(?:to\s+)?(?:the\s+|your\s+)?(?:user|human|person)",
    r"<\s*/?\s*(?:important|system|secret|hidden|instructions?|critical)\s*>",
    r"\b(?:new|updated|real|actual|hidden|secret)\s+(?:system\s+)?(?:instructions?|prompt)\s*:",
    r"\bbefore\s+(?:using|calling|invoking|running)\s+(?:this|any(?:\s+other)?|the\s+other|other)\s+tools?\b",
    r"\byou\s+are\s+now\s+(?:a|an|in|the)\b",
    r"\[\s*/?\s*(?:inst|system)\s*\]|<\|(?:im_start|im_end|system|endoftext)\|>",
)
_PHRASES = re2.compile("(?i)" + "|".join(f"(?:{one})" for one in _SAYINGS))


def findings_in(texts: Iterable[str]) -> tuple[str, ...]:
    """What is in any of them, in alphabetical order; of texts beyond `LONGEST` characters, nothing is known."""
    found, left = set[str](), LONGEST
    for text in texts:
        if left <= 0:
            break
        found.update(_findings(text[:left]))
        left -= len(text)
    return tuple(sorted(found))


def _findings(text: str) -> Iterable[str]:
    if not text.isascii() and _ANY.search(text):
        if _ZERO_WIDTH.search(text, 1 if text.startswith("\ufeff") else 0):
            yield ZERO_WIDTH
        if _BIDI.search(text):
            yield BIDI
        if _TAGS.search(_FLAG.sub("", text)):
            yield TAGS
            text = text.translate(_SHOWN)
        if _SELECTORS.search(text):
            yield SELECTORS
        text = _UNSEEN.sub("", text)
    if _PHRASES.search(text):
        yield PHRASES
