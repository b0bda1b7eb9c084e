"""Servers that settings name, each with the variable that holds its key: a key is never written down among settings."""

from pydantic import ValidationInfo as Info

from gateway.settings.strength import header_problem


def with_named_key(value: object, info: Info) -> object:
    """A URL alone stands for a server with that URL; a named variable is read here, by the context's `secret`."""
    if isinstance(value, str):
        value = {"url": value}
    if info.context is None or not isinstance(value, dict):
        return value
    if "api_key" in value:
        raise ValueError("holds an API key: put it into an environment variable and name that in api_key_env")
    name = value.get("api_key_env")
    if not isinstance(name, str):
        return value
    secret = info.context["secret"](name)
    problem = "is not set" if secret is None else header_problem(secret)
    if problem is not None:
        raise ValueError(f"api_key_env names {name}, which {problem}")
    return {**value, "api_key": secret}
