"""Secrets taken out of text before it leaves in a log line or a span.

Two nets: the gateway's own secrets, wherever they stand, and whatever has the shape of a key, both percent-encoded too.
Not a promise about arbitrary secrets: a password in a sentence looks like any other word.
"""

import re
from collections.abc import Iterable

from gateway.identity.percent import fully_decoded

PLACE = "[redacted]"

_SHAPES = re.compile(
    r"""(?x)
    (?<![0-9A-Za-z])(?:
        (?:agk|adk|igk)_[0-9A-Za-z_]{8,}                      # keys issued here
      | sk-[0-9A-Za-z_-]{12,}                                 # OpenAI, Anthropic and those who follow them
      | (?:gh[pousr]|github_pat)_[0-9A-Za-z_]{20,}
      | AKIA[0-9A-Z]{16}
      | AIza[0-9A-Za-z_-]{30,}
      | xox[abprs]-[0-9A-Za-z-]{10,}
      | eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*  # JSON web tokens
    )
  | (?i:(?<=bearer\ )|(?<=basic\ ))[0-9A-Za-z._~+/=-]{8,}
  | (?i:(?<=x-api-key:\ )|(?<=x-admin-key:\ )|(?<=api-key:\ )|(?<=api_key=)|(?<=password=))[^\s,;&"']{4,}
  | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                           # user and password of a URL
  | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----(?:[^-]|-(?!----))*(?:-----END\ [A-Z ]*PRIVATE\ KEY-----)?
    """
)
_HINTS = (
    *("k_", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "akia", "aiza", "xox", "eyj", "://"),
    *("bearer ", "basic ", "key: ", "key=", "password=", "private key"),
)
"""What the shapes have in them, in lower case: most text has none of it, and the shapes are slow to look for."""


class Redaction:
    """Replaces secrets by `[redacted]`.

    Args:
        secrets: of this process; those shorter than 8 characters are left alone, they would be found everywhere.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._own = tuple(sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        clean = self._clean(text)
        if "%" not in clean:
            return clean
        plain = fully_decoded(clean.encode("utf-8", "surrogatepass"))
        if plain is None:
            return PLACE
        decoded = plain.decode("utf-8", "replace")
        found = self._clean(decoded)
        return clean if found == decoded else found

    def _clean(self, text: str) -> str:
        for secret in self._own:
            if secret in text:
                text = text.replace(secret, PLACE)
        lowered = text.lower()
        for hint in _HINTS:
            if hint in lowered:
                return _SHAPES.sub(PLACE, text)
        return text
