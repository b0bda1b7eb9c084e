"""Header fields, as every part of the gateway passes them on."""

Headers = list[tuple[bytes, bytes]]
"""Lower-case names with their values, in order, repeats kept."""


def header_value(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header, or None without one."""
    for key, value in headers:
        if key == name:
            return value
    return None
