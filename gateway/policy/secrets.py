"""Credentials in text, known by the forms that their issuers gave them.

Only forms that hardly anything else has: a finding takes words out of a message, or a call away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2

_FORMS: tuple[tuple[str, str], ...] = (
    ("API key", r"\bsk-(?:[A-Za-z0-9]{2,10}-)*[A-Za-z0-9_-]{20,}"),
    ("gateway key", r"\b(?:agk|adk|igk)_[A-Za-z0-9_]{20,}"),
    ("AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ("AWS secret key", r"(?i)aws_?secret_?(?:access_?)?key[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?-i)([A-Za-z0-9/+]{40})\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    ("GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{50,}\b"),
    ("GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}"),
    ("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("Slack token", r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}"),
    ("Slack webhook", r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_]{20,})"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("Google token", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    ("Google client secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    ("Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
    ("webhook secret", r"\bwhsec_[A-Za-z0-9+/=]{20,}"),
    ("Twilio key", r"\bSK[0-9a-f]{32}\b"),
    ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("Hugging Face token", r"\bhf_[A-Za-z]{30,}\b"),
    ("Groq key", r"\bgsk_[A-Za-z0-9]{40,}\b"),
    ("xAI key", r"\bxai-[A-Za-z0-9]{60,120}\b"),
    ("Perplexity key", r"\bpplx-[A-Za-z0-9]{40,}\b"),
    ("Replicate token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("Databricks token", r"\bdapi[a-f0-9]{32}\b"),
    ("Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    ("Linear key", r"\blin_api_[A-Za-z0-9]{40}\b"),
    ("Notion token", r"\bntn_[A-Za-z0-9]{40,60}\b"),
    ("Telegram token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("Azure storage key", r"(?i)AccountKey=(?-i)([A-Za-z0-9+/]{86}==)"),
    ("age key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b"),
    ("JSON Web Token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("password in a URL", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:@/\"']{0,100}:([^\s@/\"']{3,200})@"),
    (
        "private key",
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s:,.()-]|\\[nr])*?(?:-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
)
_SHORTEST = 16
_MEMORY = 64 * 1024 * 1024
"""Bytes at most for the automaton of all forms: one that runs out of memory finds nothing."""
LEFT_ALONE = frozenset({"encrypted_content", "signature", "thinking"})
"""Members that a provider takes back only as it wrote them."""


@dataclass(frozen=True, slots=True)
class Span:
    """A secret's place in a text, and what kind it is."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Span]:
    """The secrets in a text, in order; of those that overlap, the first."""
    if len(text) < _SHORTEST:
        return []
    some, forms = _compiled()
    text = _encodable(text)
    found = []
    for position in some.Match(text) or ():
        kind, form = forms[position]
        for match in form.finditer(text):
            start, end = match.span(form.groups)  # the one group of a form, or all of it
            found.append(Span(kind, start, end))
    found.sort(key=lambda span: (span.start, -span.end))
    apart: list[Span] = []
    for span in found:
        if not apart or span.start >= apart[-1].end:
            apart.append(span)
    return apart


def redact(text: str) -> str:
    """The text with every secret covered by its kind; the same object where there is none."""
    pieces, position = [], 0
    for span in find(text):
        pieces += [text[position : span.start], f"[{span.kind} redacted]"]
        position = span.end
    return "".join((*pieces, text[position:])) if pieces else text


def kinds_in(value: Any) -> list[str]:
    """The kinds of secrets in all texts inside a value of JSON."""
    return [span.kind for text in _texts(value) for span in find(text)]


def covered(value: Any) -> Any:
    """The value with every secret in it covered; the same object where there is none."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        items = [covered(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        members = {key: one if key in LEFT_ALONE else covered(one) for key, one in value.items()}
        return members if any(members[key] is not one for key, one in value.items()) else value
    return value


@cache
def _compiled() -> tuple[Any, list[tuple[str, Any]]]:
    """All forms together, so that a text without secrets is read once, and each by itself."""
    options = re2.Options()
    options.max_mem = _MEMORY
    some = re2.Set.SearchSet(options)
    for _, form in _FORMS:
        some.Add(form)
    some.Compile()
    return some, [(kind, re2.compile(form)) for kind, form in _FORMS]


def _encodable(text: str) -> str:
    """Half of a surrogate pair has no encoding; it is as long as what stands for it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key not in LEFT_ALONE:
                yield from _texts(member)
