"""Whether a secret is strong enough, and fit for a header. No message shows the secret itself."""

import re

MIN_LENGTH = 16
_MIN_LEFT = 8
_MIN_DISTINCT = 5

# What people type where a secret belongs; longer words first, so that "password" goes before "pass".
_FAMILIAR = re.compile(
    "1234567890|0123456789|123456789|12345678|1234567|123456|12345|1234|123|"
    "abcdefgh|abcdef|abcd|abc|qwertyuiop|qwerty|asdf|deadbeef|"
    "placeholder|changeit|change|password|passw0rd|passwd|default|example|insecure|gateway|replace|letmein|"
    "please|secret|sample|token|admin|super|leuko|proxy|pass|test|demo|root|user|your|this|here|fake|dummy|"
    "foo|bar|baz|key|api|dev|xxx|my|me|sk|20[0-9][0-9]"
)


def weakness(secret: str) -> str | None:
    """Why `secret` cannot protect anything, or None.

    A secret made of familiar words and counting digits is as good as none, however long: what is left of it without
    them must still be 8 characters. A random one never comes near these limits.
    """
    if not secret:
        return "is empty"
    if len(secret) < MIN_LENGTH:
        return f"is shorter than {MIN_LENGTH} characters"
    if len(set(secret)) < _MIN_DISTINCT:
        return "repeats a few characters"
    if len(_FAMILIAR.sub("", re.sub(r"[\W_]", "", secret.casefold()))) < _MIN_LEFT:
        return "looks like a default"
    return None


def header_problem(secret: str) -> str | None:
    """Why `secret` cannot travel in a header as it is, or None: visible ASCII only, RFC 9110 section 5.5."""
    if not secret:
        return "is empty"
    return None if all("!" <= c <= "~" for c in secret) else "has characters other than visible ASCII"
