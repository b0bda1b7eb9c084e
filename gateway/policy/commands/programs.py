"""Programs that stand in an argument: the part of sed, awk and jq that only prints what it read."""

from functools import cache

import re2

# No delimiter inside brackets and no bracket that starts with `]`: GNU and BSD read those differently, and what is
# text to one is a command to the other.
_ITEM = r"(?:\[:[a-z]+:\]|[^\[\]{d}\\{not_first}])"
_REGEX = r"(?:[^{d}\\\[]|\\.|\[\^?" + _ITEM.replace("{not_first}", "^") + _ITEM.replace("{not_first}", "") + r"*\])*"
_DELIMITERS = ("/", r"\|", ",", "#", ":", "@", "%", "_", "!")

_AWK_NEVER = r"system|getline|close|fflush|function|func|while|@|ARGV|ARGC|ENVIRON|PROCINFO|SYMTAB|FUNCTAB|\bdo\b"
_JQ_NEVER = r"\b(?:import|include|env|ENV|modulemeta|get_search_list)\b"


def sed_problem(script: str) -> str | None:
    """Only substitution, printing, deleting and moving on; no `e`, `r`, `w`, no flags `e` and `w`, no text commands."""
    return (
        None if _sed().fullmatch(script) else "the sed script holds a command that is not allowed, or not known, here"
    )


def awk_problem(program: str) -> str | None:
    """Nothing that runs, opens or writes: no functions that do, no pipe, `>` only as a comparison before the first
    brace."""
    rest = program.replace(">=", " ").replace("||", " ")
    head, brace, body = rest.partition("{")
    if ">" in body or (">" in head and _compiled('["/#]|print').search(head)) or "|" in rest:
        return "the awk program writes or pipes; compare with > before the first brace only"
    return "the awk program may run or read something else" if _compiled(_AWK_NEVER).search(program) else None


def jq_problem(program: str) -> str | None:
    """No modules and no environment."""
    return "the jq program reads modules or the environment" if _compiled(_JQ_NEVER).search(program) else None


@cache
def _compiled(pattern: str) -> "re2._Regexp[str]":
    return re2.compile(pattern)


@cache
def _sed() -> "re2._Regexp[str]":
    address = rf"(?:[0-9]+|\$|/{_REGEX.replace('{d}', '/')}/I?)"
    place = rf"(?:{address}(?:,(?:{address}|[+~][0-9]+))?|[0-9]+~[0-9]+)?\s*!?\s*"
    change = "|".join(rf"[sy]{d}{_REGEX.replace('{d}', d)}{d}(?:[^{d}\\]|\\.)*{d}[gpiI0-9]*" for d in _DELIMITERS)
    return re2.compile(rf"\s*(?:{place}(?:[pdqnNDPlhHgGx=]|q[0-9]+|{change})\s*(?:;\s*|$))+")
