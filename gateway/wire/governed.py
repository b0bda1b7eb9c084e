"""Reads the members of a request that the gateway governs, and refuses one of the wrong type by its path."""

from typing import Any

from gateway.model.errors import UnreadableRequest

_NAMES = {str: "a string", bool: "a boolean", list: "an array", dict: "an object", int: "a number", float: "a number"}


def text(members: dict[str, Any], key: str, path: str = "") -> str | None:
    """A string, or None if the member is absent or null. Raises UnreadableRequest, as all functions here do."""
    value = members.get(key)
    if value is not None and type(value) is not str:
        raise wrong(value, path + key, "a string")
    return value


def flag(members: dict[str, Any], key: str, path: str = "") -> bool:
    """A boolean; absent and null are False."""
    value = members.get(key)
    if value is not None and type(value) is not bool:
        raise wrong(value, path + key, "a boolean")
    return value is True


def count(members: dict[str, Any], key: str, path: str = "") -> int | None:
    """A whole number, or None if the member is absent or null."""
    value = members.get(key)
    if value is None or type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise wrong(value, path + key, "a whole number")


def mapping(members: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """An object; absent and null are empty."""
    value = members.get(key)
    if value is None:
        return {}
    if type(value) is not dict:
        raise wrong(value, path + key, "an object")
    return value


def mappings(members: dict[str, Any], key: str, path: str = "") -> list[dict[str, Any]]:
    """An array of objects; absent and null are empty."""
    value = members.get(key)
    if value is None:
        return []
    if type(value) is not list:
        raise wrong(value, path + key, "an array")
    for index, item in enumerate(value):
        if type(item) is not dict:
            raise wrong(item, f"{path}{key}[{index}]", "an object")
    return value


def wrong(value: object, path: str, wanted: str) -> UnreadableRequest:
    """The refusal of a member of the wrong type."""
    found = "null" if value is None else _NAMES[type(value)]
    return UnreadableRequest(f"{path} must be {wanted}, not {found}.", param=path)


def required_text(members: dict[str, Any], key: str, path: str = "") -> str:
    """A string that is not empty."""
    value = text(members, key, path)
    if not value:
        raise UnreadableRequest(f"{path}{key} must be a string that is not empty.", param=path + key)
    return value


def model(document: dict[str, Any]) -> str | None:
    """The `model`; None if it is absent, as in requests whose path names it."""
    return required_text(document, "model") if "model" in document else None
