"""Reads members on whose type nothing depends: another type counts as absent. The strict sibling is `governed`."""


def text(value: object) -> str | None:
    """The value if it is a string."""
    return value if isinstance(value, str) else None


def count(members: object, name: str) -> int:
    """The whole number above 0 that an object has under this name, else 0."""
    value = members.get(name) if isinstance(members, dict) else None
    return value if type(value) is int and value > 0 else 0
