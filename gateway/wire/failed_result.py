"""Whether the result of a tool says that the tool failed, where the dialect has no member for it.

Agents report failures as text, in a few customary forms. Only the beginning is looked at, so that a long file that a
tool has read costs nothing; a tool that quotes one of these forms first is taken for failed.
"""

import re

_HEAD = 400
_BEGINS = re.compile(
    r"""\s{0,40}(?:
        (?:tool\ |fatal\ |runtime\ )?error\b (?!s?\ (?:codes?|messages?|handling)\b)
        | \w{0,40}(?:Error|Exception):
        | Traceback\ \(most\ recent\ call\ last\)
        | <(?:tool_use_)?error>
        | failed\b
        | \{\s{0,40}"(?:error|errors|exception)"\s{0,9}:\s{0,9}+(?!null|false|""|\{\s{0,9}\}|\[\s{0,9}\])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_HOLDS = re.compile(
    r"""
    "(?:is_?error|failed)"\s{0,9}:\s{0,9}true
    | "(?:ok|success)"\s{0,9}:\s{0,9}false
    | "status"\s{0,9}:\s{0,9}"(?:error|failed|failure)"
    | \bexit(?:ed\ with)?[ _]code"?:?\s{0,9}-?[1-9]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def says_it_failed(content: object) -> bool:
    """Whether a result, a text or a list of blocks with texts, begins as failures do."""
    if type(content) is list:
        content = next((b["text"] for b in content if type(b) is dict and type(b.get("text")) is str), None)
    if type(content) is not str:
        return False
    head = content[:_HEAD]
    if _BEGINS.match(head) is not None:
        return True
    # Most results hold neither, and a look for a character is much cheaper than for the patterns.
    return ('":' in head or '" :' in head or "xit" in head) and _HOLDS.search(head) is not None
