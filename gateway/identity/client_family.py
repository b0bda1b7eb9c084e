"""Which client sends a request, whatever its version.

    OpenAI/Python 3.52.0, AsyncOpenAI/Python 3.52.0         openai/python
    claude-cli/2.1.329 (external, sdk-cli)                  claude-cli
    ai-sdk-openai/4.0.118 ai-sdk-provider-utils/5.0.81 …    ai-sdk-openai

Versions, operating systems and what else follows the first product change without another agent being there.
"""

import re

_PRODUCT = re.compile(r"(?:async)?([a-z][a-z0-9._+-]{0,63})(?:/([a-z][a-z_+-]{0,31})(?![0-9.]))?")
# A version that some clients write into the product's name itself: `sdk-1.2`, `tool_v3`.
_VERSION = re.compile(r"[-_.]?v?\d[\d.]*$")
_LANGUAGE = re.compile(rb"[A-Za-z+#-]{1,16}")


def client_family(user_agent: bytes | None, language: bytes | None = None) -> str:
    """A short name from `User-Agent` and `X-Stainless-Lang`; empty if neither says anything."""
    words = (user_agent or b"").decode("latin-1").strip().lower().split(None, 1)
    match = _PRODUCT.match(words[0]) if words else None
    family = ""
    if match is not None:
        family = _VERSION.sub("", match[1]) or match[1]
        if match[2]:
            family += "/" + match[2]
    if language and _LANGUAGE.fullmatch(language) and not _says(family, spoken := language.decode().lower()):
        family += f" ({spoken})"
    return family.strip()


def _says(family: str, language: str) -> bool:
    """Whether the family has the language in its name, as the SDKs' own have."""
    return family.endswith("/" + language) or family.endswith("/javascript") and language == "js"
