"""From settings to the means by which quarantined agents are stopped beyond being blocked."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway import __version__
from gateway.background.contain_agents import ContainAgents
from gateway.edge.admin.shapes import rfc3339
from gateway.enforcement.asking import Place
from gateway.enforcement.docker import Docker
from gateway.enforcement.enforcement import Enforcement
from gateway.enforcement.kubernetes import IN_CLUSTER, SERVICE_ACCOUNT, Kubernetes
from gateway.enforcement.process import Process
from gateway.enforcement.strategy import Strategy
from gateway.enforcement.targets import Means, Targets
from gateway.enforcement.webhook import Webhook
from gateway.model.audit import AuditEntry
from gateway.settings import Settings
from gateway.settings.enforcement import AgentTargets, ContainerTarget, Receiver
from gateway.store.connection import Connection
from gateway.store.contained_agents import ContainedAgents
from gateway.store.events import Events
from gateway.store.quarantine import Quarantine
from gateway.store.registry import Registry

Clock = Callable[[], float]


def targets_of(settings: Settings) -> Targets:
    """All that are set."""
    clock = time.time  # noqa: TID251 - messages carry a date
    return Targets({key: _means(given, clock) for key, given in settings.enforcement_targets.items()})


def contain_agents(
    enforcement: Enforcement,
    quarantine: Quarantine,
    store: Connection,
    registry: Registry,
    events: Events,
    *,
    holds: Callable[[str], bool],
    audit: Callable[[AuditEntry], None],
    alert: Callable[[str, Mapping[str, Any], str], None],
) -> ContainAgents:
    """The duty that carries it out; `holds`: whether this replica looks after an agent."""

    async def name_of(agent_id: str) -> str | None:
        return (await registry.attributes(agent_id)).name

    return ContainAgents(
        quarantine,
        enforcement,
        ContainedAgents(store),
        holds=holds,
        name_of=name_of,
        notify=events.notify,
        audit=audit,
        alert=alert,
        clock=time.monotonic,
        wall_clock=time.time,  # noqa: TID251 - entries are dated by the wall clock
        jitter=random.random,
    )


def _means(given: AgentTargets, clock: Clock) -> Means:
    contain: list[Strategy] = []
    if given.process is not None:
        contain.append(Process(pid=given.process.pid, pid_file=given.process.pid_file))
    container = None if given.container is None else _container(given.container, clock)
    if container is not None:
        contain.append(container)
    webhook = None if given.webhook is None else _webhook("webhook", given.webhook, clock)
    if webhook is not None:
        contain.append(webhook)
    control = None if given.control is None else _webhook("control", given.control, clock)
    return Means(tuple(contain), webhook if given.restart == "webhook" else container, control)


def _container(given: ContainerTarget, clock: Clock) -> Docker | Kubernetes:
    if given.docker is not None:
        path = given.engine.removeprefix("unix://")
        if path != given.engine:
            return Docker(given.docker, Place("http://engine", socket=path))
        scheme = "https://" if given.ca_file or given.cert_file else "http://"
        url = given.engine.replace("tcp://", scheme, 1)
        return Docker(given.docker, _place(url, given))
    kind, _, name = (given.kubernetes or "").partition("/")
    place = _place(given.api or IN_CLUSTER, given)
    if given.api is None and given.ca_file is None:
        place = Place(place.url, None, SERVICE_ACCOUNT / "ca.crt", given.cert_file, given.key_file)
    return Kubernetes(
        f"{kind}s",
        name,
        given.namespace,
        place,
        given.token_file or SERVICE_ACCOUNT / "token",
        lambda: rfc3339(clock()),
    )


def _place(url: str, given: ContainerTarget) -> Place:
    return Place(url.rstrip("/"), None, given.ca_file, given.cert_file, given.key_file)


def _webhook(name: str, given: Receiver, clock: Clock) -> Webhook:
    return Webhook(name, given.url, given.secret.get_secret_value(), clock=clock, rfc3339=rfc3339, version=__version__)
