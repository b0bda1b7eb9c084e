"""Patterns of names: `*` stands for any text, everything else for itself."""


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits; linear in both, whatever they hold."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    position, end = len(first), len(name) - len(last)
    for part in middle:  # the earliest place leaves most room for those behind
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
