"""The tools of the assistants, as they offer them to a model: by name, what each says of itself and takes."""

from typing import Any

_SERVICE = {"service": {"type": "string", "description": "The name of a service"}}

SRE: dict[str, tuple[str, dict[str, Any]]] = {
    "list_services": ("Names of all services", {}),
    "get_service_status": ("Health of one service", _SERVICE),
    "read_logs": ("The last lines of a service's log", {**_SERVICE, "lines": {"type": "integer"}}),
    "restart_service": ("Restart one service", _SERVICE),
    "scale_fleet": ("Set the number of instances", {"count": {"type": "integer"}}),
    "delete_database": ("Delete a database and all that is in it", {"name": {"type": "string"}}),
}

OPS: dict[str, tuple[str, dict[str, Any]]] = {
    "run_command": ("Run a command on the host", {"command": {"type": "string"}}),
    "update_config": ("Set one setting", {"key": {"type": "string"}, "value": {"type": "string"}}),
    "restart_service": ("Restart one service", _SERVICE),
}


def _schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def for_chat(tools: dict[str, tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        {"type": "function", "function": {"name": name, "description": about, "parameters": _schema(properties)}}
        for name, (about, properties) in tools.items()
    ]


def for_responses(tools: dict[str, tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        {"type": "function", "name": name, "description": about, "parameters": _schema(properties), "strict": False}
        for name, (about, properties) in tools.items()
    ]


def for_messages(tools: dict[str, tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        {"name": name, "description": about, "input_schema": _schema(properties)}
        for name, (about, properties) in tools.items()
    ]
