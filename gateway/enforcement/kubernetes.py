"""Scales a Deployment or StatefulSet to nothing and back to what it was, and restarts it, by the Kubernetes API.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/ . How many there were is kept in
an annotation of the workload itself, written in the same request that scales: no crash in between can lose it. The
gateway needs `get` and `patch` on it. An autoscaler leaves a workload with 0 replicas alone.
"""

import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from gateway.enforcement.asking import Place, ask, refused
from gateway.enforcement.strategy import Case, EnforcementFailed

NAME = "container"
BEFORE = "leuko/replicas-before-quarantine"
"""The annotation; `leuko` is no domain, so that nobody else's tools use it."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` writes."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER = "https://kubernetes.default.svc"
_TRIES = 3
_POD = {"deployments": r"-[a-z0-9]{1,10}-[a-z0-9]{5}", "statefulsets": r"-\d+"}


class Kubernetes:
    """One agent's workload.

    Args:
        kind: `deployments` or `statefulsets`.
        namespace: the gateway's own if None.
        token_file: read each time, because the cluster renews it.
        rfc3339: the time now.
    """

    name = NAME

    def __init__(
        self, kind: str, name: str, namespace: str | None, place: Place, token_file: Path, rfc3339: Callable[[], str]
    ) -> None:
        self._kind, self._name, self._namespace = kind, name, namespace
        self._place = place
        self._token_file = token_file
        self._rfc3339 = rfc3339
        self.target: str | None = f"kubernetes {place.url} {namespace} {kind}/{name}"

    async def contain(self, case: Case) -> None:
        def step(found: Mapping[str, Any]) -> dict[str, Any] | None:
            replicas = _replicas(found)
            if replicas == 0:  # by the gateway before, or by somebody who may want it so for longer
                return None
            return {"metadata": {"annotations": {BEFORE: str(replicas)}}, "spec": {"replicas": 0}}

        if not await self._change(step):
            raise EnforcementFailed(NAME, f"there is no {self._kind[:-1]} of that name in the namespace")

    async def release(self, case: Case) -> None:
        """One that is gone, or that the gateway has not scaled, is left as it is."""

        def step(found: Mapping[str, Any]) -> dict[str, Any] | None:
            before = (found["metadata"].get("annotations") or {}).get(BEFORE)
            if before is None:
                return None
            patch: dict[str, Any] = {"metadata": {"annotations": {BEFORE: None}}}
            if _replicas(found) == 0 and before.isdigit():
                patch["spec"] = {"replicas": int(before)}
            return patch

        await self._change(step)

    async def restart(self, case: Case) -> None:
        """Pods are replaced as in a rollout; of a workload that is scaled to nothing, those that come later are new."""

        def step(found: Mapping[str, Any]) -> dict[str, Any] | None:
            return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: self._rfc3339()}}}}}

        if not await self._change(step):
            raise EnforcementFailed(NAME, f"there is no {self._kind[:-1]} of that name in the namespace")

    async def _change(self, step: Callable[[Mapping[str, Any]], dict[str, Any] | None]) -> bool:
        """Patch the workload as `step` says of it, None for not at all; whether there is one."""
        headers, namespace = self._headers(), self._namespace or _own_namespace()
        self._check(namespace)
        path = f"/apis/apps/v1/namespaces/{namespace}/{self._kind}/{self._name}"
        for _ in range(_TRIES):
            answer = await ask(NAME, self._place, "GET", path, headers=headers)
            if answer.status_code == 404:
                return False
            if answer.status_code != 200:
                raise refused(NAME, answer)
            try:
                found = answer.json()
                patch = step(found)
                version = found["metadata"]["resourceVersion"]
            except (ValueError, KeyError, TypeError, AttributeError):
                raise EnforcementFailed(NAME, "its answer is not the Kubernetes API's") from None
            if patch is None:
                return True
            patch.setdefault("metadata", {})["resourceVersion"] = version  # refused if somebody changed it meanwhile
            answer = await ask(NAME, self._place, "PATCH", path, headers=headers, content=orjson.dumps(patch))
            if answer.status_code != 409:
                break
        if answer.status_code != 200:
            raise refused(NAME, answer)
        return True

    def _headers(self) -> dict[str, str]:
        token = _read(self._token_file)
        return {"authorization": f"Bearer {token}", "content-type": "application/merge-patch+json"}

    def _check(self, namespace: str) -> None:
        """Scaled to nothing, the gateway could not scale itself back."""
        pod = re.escape(self._name) + _POD[self._kind]
        in_cluster = SERVICE_ACCOUNT.is_dir()
        if in_cluster and re.fullmatch(pod, socket.gethostname()) and namespace == _own_namespace():
            raise EnforcementFailed(NAME, "it is the gateway's own workload")


def _replicas(found: Mapping[str, Any]) -> int:
    replicas = found["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _own_namespace() -> str:
    return _read(SERVICE_ACCOUNT / "namespace")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise EnforcementFailed(NAME, f"{path}: cannot be read: the gateway's account in the cluster") from None
