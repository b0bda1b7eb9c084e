"""Real servers in company: a master and its replica under three sentinels, and a cluster. Passwords everywhere."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from gateway.store.server import find_server

PASSWORD = "data-password"
SENTINEL_PASSWORD = "sentinel-password"
SERVICE = "main"
SLOTS = 16384


def eventually(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `holds` returns something true; errors of Redis count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except (RedisError, OSError):
            pass
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


class Member:
    """One redis-server on a port of 127.0.0.1."""

    def __init__(self, directory: Path, settings: Sequence[str], *, sentinel: bool = False) -> None:
        self.port = free_port()
        self._directory = directory / str(self.port)
        self._directory.mkdir()
        self._settings = settings
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        password = SENTINEL_PASSWORD if sentinel else PASSWORD
        self.redis: Any = Redis(
            port=self.port, password=password, decode_responses=True, socket_timeout=5, single_connection_client=False
        )

    def start(self) -> None:
        """Start with its own data, and return when it answers."""
        config = self._directory / "redis.conf"
        if not config.exists():
            common = (f"port {self.port}", "bind 127.0.0.1", f"dir {self._directory}", "logfile redis.log", 'save ""')
            config.write_text("\n".join((*common, *self._settings)) + "\n")
        command = [str(find_server()), str(config), *(["--sentinel"] if self._sentinel else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        eventually(self.redis.ping)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As fast as it goes: nobody needs its data."""
        self.redis.close()
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(20)


def free_port() -> int:
    """A port that is free and whose counterpart for the cluster's own talk, 10,000 above, is so too."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for taken in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", taken))
        except OSError:
            continue
        return port


class SentinelSet:
    """`servers`: the master and one replica, at first; `sentinels`: three, two of which must agree."""

    def __init__(self, directory: Path) -> None:
        login = (f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0")
        self.servers = [Member(directory, login)]
        self.servers.append(Member(directory, (*login, f"replicaof 127.0.0.1 {self.servers[0].port}")))
        master, replica = self.servers
        watch = (
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} 400",
            f"sentinel failover-timeout {SERVICE} 2000",
            f"sentinel known-replica {SERVICE} 127.0.0.1 {replica.port}",
        )
        self.sentinels = [Member(directory, (), sentinel=True) for _ in range(3)]
        for n, sentinel in enumerate(self.sentinels):
            # Told of each other, they need not wait for their greetings.
            others = [
                f"sentinel known-sentinel {SERVICE} 127.0.0.1 {other.port} {m:040x}"
                for m, other in enumerate(self.sentinels)
                if m != n
            ]
            sentinel._settings = (f"sentinel myid {n:040x}", *watch, *others)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}?sentinel_password={SENTINEL_PASSWORD}"

    @property
    def master(self) -> Member:
        """As the sentinels have it."""
        port = int(self.sentinels[0].redis.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(server for server in self.servers if server.port == port)

    def start(self) -> None:
        for member in (*self.servers, *self.sentinels):
            member.start()
        master, replica = self.servers
        eventually(lambda: replica.redis.info("replication")["master_link_status"] == "up")
        eventually(lambda: all(self._ready(sentinel) for sentinel in self.sentinels))

    def _ready(self, sentinel: Member) -> bool:
        found = sentinel.redis.execute_command("SENTINEL", "CKQUORUM", SERVICE)
        return "OK" in str(found) or found is True

    def stop(self) -> None:
        for member in (*self.sentinels, *self.servers):
            member.stop()


class ClusterSet:
    """Three masters with a third of the slots each, and as many replicas of the first as asked for."""

    def __init__(self, directory: Path, replicas: int = 0) -> None:
        settings = (
            f"requirepass {PASSWORD}",
            f"masterauth {PASSWORD}",
            "repl-diskless-sync-delay 0",
            "cluster-enabled yes",
            "cluster-node-timeout 1000",
            "cluster-replica-validity-factor 0",
        )
        self.masters = [Member(directory, settings) for _ in range(3)]
        self.replicas = [Member(directory, settings) for _ in range(replicas)]

    @property
    def members(self) -> list[Member]:
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        return f"redis+cluster://:{PASSWORD}@" + ",".join(f"127.0.0.1:{node.port}" for node in self.masters)

    def start(self) -> None:
        for member in self.members:
            member.start()
        bounds = [SLOTS * n // 3 for n in range(4)]
        for n, (node, (first, end)) in enumerate(zip(self.masters, pairwise(bounds), strict=True)):
            node.redis.execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            node.redis.execute_command("CLUSTER", "ADDSLOTS", *range(first, end))
        for member in self.members[1:]:
            member.redis.execute_command("CLUSTER", "MEET", "127.0.0.1", self.masters[0].port)
        for replica in self.replicas:
            first_id = self.id_of(self.masters[0])
            eventually(lambda r=replica, i=first_id: r.redis.execute_command("CLUSTER", "REPLICATE", i))  # type: ignore[misc]
        eventually(self._formed)

    def _formed(self) -> bool:
        for member in self.members:
            lines = str(member.redis.execute_command("CLUSTER", "INFO")).split()
            wanted = {"cluster_state:ok", f"cluster_slots_ok:{SLOTS}", f"cluster_known_nodes:{len(self.members)}"}
            if not wanted <= set(lines):
                return False
        return all(r.redis.info("replication")["master_link_status"] == "up" for r in self.replicas)

    def id_of(self, member: Member) -> str:
        return str(member.redis.execute_command("CLUSTER", "MYID"))

    def begin_move(self, slot: int, source: Member, target: Member) -> None:
        """From now on `source` asks callers over to `target` for what it does not have."""
        target.redis.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.redis.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: Member, target: Member) -> None:
        while keys := source.redis.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.redis.execute_command(
                "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys
            )

    def end_move(self, slot: int, target: Member) -> None:
        owner = self.id_of(target)
        for node in (target, *(other for other in self.masters if other is not target)):
            node.redis.execute_command("CLUSTER", "SETSLOT", slot, "NODE", owner)

    def stop(self) -> None:
        for member in self.members:
            member.stop()


def _running(made: Callable[[Path], Any]) -> Iterator[Any]:
    directory = Path(tempfile.mkdtemp(prefix="leuko-s-", dir="/tmp"))
    found = made(directory)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(directory)


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A set of this test's own: failing over is what it is for."""
    yield from _running(SentinelSet)


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[ClusterSet]:
    """Three masters; do not hurt them. Slots may move."""
    yield from _running(ClusterSet)


@pytest.fixture
def own_cluster() -> Iterator[ClusterSet]:
    """Three masters, the first with a replica, to hurt."""
    yield from _running(lambda directory: ClusterSet(directory, replicas=1))
