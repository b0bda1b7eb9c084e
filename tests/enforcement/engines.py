"""Servers on real sockets that answer as a Docker engine and as a Kubernetes API server do, as far as we ask them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

Answer = tuple[int, Any]


@dataclass
class Engine:
    """https://docs.docker.com/reference/api/engine/version/v1.47/ : the state of containers by name.

    `failing`: the status of every answer, while it is set."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: int | None = None
    url: str = ""

    def run(self, name: str) -> None:
        self.containers[name] = {"Running": True, "Paused": False, "Starts": 1}

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.asked.append(f"{method} {path}")
        if self.failing is not None:
            return self.failing, {"message": "the daemon is not well"}
        found = re.fullmatch(r"/containers/([^/]+)/(\w+)", path)
        if found is None:
            return 404, {"message": "page not found"}
        name, act = found[1], found[2]
        state = self.containers.get(name)
        if state is None:
            return 404, {"message": f"No such container: {name}"}
        if (method, act) == ("GET", "json"):
            return 200, {"Id": name.encode().hex().ljust(64, "0")[:64], "State": state}
        if (method, act) == ("POST", "restart"):
            state.update(Running=True, Paused=False, Starts=state["Starts"] + 1)
            return 204, None
        if (method, act) not in (("POST", "pause"), ("POST", "unpause")):
            return 404, {"message": "page not found"}
        if not state["Running"]:
            return 409, {"message": f"container {name} is not running"}
        if state["Paused"] is (act == "pause"):
            return 409, {"message": f"Container {name} is already {act}d" if act == "pause" else "is not paused"}
        state["Paused"] = act == "pause"
        return 204, None


@dataclass
class Cluster:
    """https://kubernetes.io/docs/reference/kubernetes-api/ : deployments and stateful sets by path.

    `between`: called once between a look and the change that follows it."""

    token: str
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: list[dict[str, Any]] = field(default_factory=list)
    between: Callable[[], None] | None = None
    url: str = ""

    def deploy(self, path: str, replicas: int | None) -> dict[str, Any]:
        made = {
            "metadata": {"name": path.rpartition("/")[2], "resourceVersion": "1"},
            "spec": {"replicas": replicas, "template": {"metadata": {}, "spec": {}}},
        }
        self.objects[f"/apis/apps/v1/namespaces/{path}"] = made
        return made

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"kind": "Status", "message": "Unauthorized", "code": 401}
        found = self.objects.get(path)
        if found is None:
            return 404, {"kind": "Status", "message": "not found", "code": 404}
        if method == "GET":
            answer = json.loads(json.dumps(found))
            if self.between is not None:
                (between, self.between) = (self.between, None)
                between()
            return 200, answer
        if method != "PATCH" or headers.get("content-type") != "application/merge-patch+json":
            return 415, {"kind": "Status", "message": "unsupported media type", "code": 415}
        patch = json.loads(body)
        self.patches.append(patch)
        if patch["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return 409, {"kind": "Status", "message": "the object has been modified", "code": 409}
        _merge(found, patch)
        self.change(found)
        return 200, found

    @staticmethod
    def change(found: dict[str, Any]) -> None:
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


@asynccontextmanager
async def served(server: Engine | Cluster, uds: Path | None = None) -> AsyncIterator[None]:
    """Serve for the length of the block; on a socket of the network, `server.url` says where."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, document = server.answer(scope["method"], scope["path"], headers, body)
        content = b"" if document is None else json.dumps(document).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": kind if content else []})
        await send({"type": "http.response.body", "body": content})

    place: dict[str, Any] = {"port": 0} if uds is None else {"uds": str(uds)}
    running = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", **place))
    serving = asyncio.create_task(running.serve())
    try:
        while not running.started:
            await asyncio.sleep(0.005)
        if uds is None:
            server.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
        yield
    finally:
        running.should_exit = True
        await serving
