"""The tools of the simulated cloud: those of a sysadmin, an SRE and an ops assistant."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.demo import cloud_shell
from gateway.demo.cloud_state import Cloud, CloudError

_TEXT = {"type": "string"}
_SERVICE = {"service": {"type": "string", "description": "The name of a service"}}
_JOB = {"job": {"type": "string", "description": "The name of a job"}}
_KEY = {"key": {"type": "string", "description": "The name of a setting"}}
_MOST_LINES = 500
_MOST_INSTANCES = 50

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloudTool:
    """One tool. `takes`: the JSON schema of each argument; all are needed."""

    about: str
    run: Callable[[Cloud, Arguments], Any]
    takes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    effect: Literal["read", "write", "destructive"] = "read"

    def definition(self, name: str) -> dict[str, Any]:
        """As `tools/list` has it."""
        schema = {"type": "object", "properties": dict(self.takes), "required": list(self.takes)}
        hints = {"readOnlyHint": self.effect == "read", "destructiveHint": self.effect == "destructive"}
        return {
            "name": name,
            "description": self.about,
            "inputSchema": {**schema, "additionalProperties": False},
            "annotations": {**hints, "openWorldHint": False},
        }


def call(cloud: Cloud, name: str, arguments: Arguments) -> str:
    """Execute a tool; what it answers. Raises CloudError; KeyError for a tool that does not exist."""
    tool = TOOLS[name]
    for argument, schema in tool.takes.items():
        kind = int if schema["type"] == "integer" else str
        if type(arguments.get(argument)) is not kind:
            raise CloudError(f"{name} needs {argument}: {schema['type']}.")
    if unknown := sorted(arguments.keys() - tool.takes.keys()):
        raise CloudError(f"{name} takes no {unknown[0][:100]}.")
    cloud.calls.append((name, arguments))
    said = tool.run(cloud, arguments)
    return said if isinstance(said, str) else json.dumps(said)


def _service_status(cloud: Cloud, given: Arguments) -> Any:
    service = cloud.service(given["service"])
    status = "healthy" if service.healthy else "degraded"
    return {
        "service": given["service"],
        "status": status,
        "version": service.releases[-1],
        "restarts": service.restarts,
    }


def _restart(cloud: Cloud, given: Arguments) -> str:
    service = cloud.service(given["service"])
    service.restarts += 1
    service.healthy = True
    return f"{given['service']} was restarted"


def _rollback(cloud: Cloud, given: Arguments) -> str:
    service = cloud.service(given["service"])
    if len(service.releases) < 2:
        raise CloudError(f"{given['service']} has no earlier release.")
    service.releases.pop()
    service.healthy = True
    return f"{given['service']} is at {service.releases[-1]} again"


def _alerts(cloud: Cloud, given: Arguments) -> Any:
    ill = [name for name, service in cloud.services.items() if not service.healthy]
    return [{"service": name, "severity": "critical", "summary": f"{name} answers with errors"} for name in ill]


def _logs(cloud: Cloud, given: Arguments) -> str:
    cloud.service(given["service"])
    if not 1 <= given["lines"] <= _MOST_LINES:
        raise CloudError(f"lines is {given['lines']}; allowed: 1 to {_MOST_LINES}.")
    return "".join(cloud.file(f"/sim/logs/{given['service']}.log").splitlines(True)[-given["lines"] :])


def _scale(cloud: Cloud, given: Arguments) -> str:
    if not 0 <= given["count"] <= _MOST_INSTANCES:
        raise CloudError(f"count is {given['count']}; allowed: 0 to {_MOST_INSTANCES}.")
    cloud.instances = given["count"]
    return f"the fleet has {cloud.instances} instances"


def _delete_database(cloud: Cloud, given: Arguments) -> str:
    if given["name"] not in cloud.databases:
        raise CloudError(f"There is no database {given['name']}.")
    rows = cloud.databases.pop(given["name"])
    return f"{given['name']} and its {rows} rows are deleted"


def _run_job(cloud: Cloud, given: Arguments) -> str:
    job = cloud.job(given["job"])
    job.runs += 1
    return f"{given['job']} ran"


def _get_config(cloud: Cloud, given: Arguments) -> str:
    if given["key"] not in cloud.config:
        raise CloudError(f"There is no setting {given['key']}.")
    return cloud.config[given["key"]]


def _update_config(cloud: Cloud, given: Arguments) -> str:
    cloud.config[given["key"]] = given["value"]
    return f"{given['key']} is set"


TOOLS: dict[str, CloudTool] = {
    # A sysadmin's
    "list_services": CloudTool("Names of all services", lambda cloud, _: list(cloud.services)),
    "get_service_status": CloudTool("Health of one service", _service_status, _SERVICE),
    "restart_service": CloudTool("Restart one service", _restart, _SERVICE, "write"),
    "run_command": CloudTool(
        "Run a command on the host",
        lambda cloud, given: cloud_shell.run(cloud, given["command"]),
        {"command": _TEXT},
        "destructive",
    ),
    "read_file": CloudTool("The text of a file", lambda cloud, given: cloud.file(given["path"]), {"path": _TEXT}),
    # An SRE's
    "get_alerts": CloudTool("What is wrong at the moment", _alerts),
    "read_logs": CloudTool("The last lines of a service's log", _logs, {**_SERVICE, "lines": {"type": "integer"}}),
    "get_fleet": CloudTool("The number of instances", lambda cloud, _: {"instances": cloud.instances}),
    "scale_fleet": CloudTool("Set the number of instances", _scale, {"count": {"type": "integer"}}, "write"),
    "rollback_deploy": CloudTool("Bring back a service's earlier release", _rollback, _SERVICE, "write"),
    "delete_database": CloudTool(
        "Delete a database and all that is in it", _delete_database, {"name": _TEXT}, "destructive"
    ),
    # An ops assistant's
    "list_jobs": CloudTool("All jobs", lambda cloud, _: {name: job.about for name, job in cloud.jobs.items()}),
    "run_job": CloudTool("Run one job now", _run_job, _JOB, "write"),
    "get_config": CloudTool("One setting", _get_config, _KEY),
    "update_config": CloudTool("Set one setting", _update_config, {**_KEY, "value": _TEXT}, "write"),
}
