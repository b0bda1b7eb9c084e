import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis
from gateway.store.errors import AlreadyRunning, ServerFailed, StoreUnavailable
from gateway.store.server import find_server

OWNER = """
import asyncio, sys
from pathlib import Path
from gateway.store.connection import Connection
from gateway.store.embedded import EmbeddedRedis

async def main():
    redis = EmbeddedRedis(Path(sys.argv[1]))
    connection = Connection(await redis.start(), op_timeout=5)
    await connection.execute("SET", "left", "behind")
    print(redis.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    left = [p for p in psutil.process_iter(["cmdline"]) if _is_server_of(p, path)]
    for process in left:
        process.kill()
    assert not left, "a redis-server was left behind"


def _is_server_of(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return process.name().startswith("redis-server") and Path(process.cwd()) == data_dir / "redis"
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
        return False


def servers(data_dir: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter() if _is_server_of(process, data_dir)]


async def ask(url: str, *command: str) -> object:
    connection = Connection(url, op_timeout=5)
    try:
        return await connection.execute(*command)
    finally:
        await connection.close()


async def orphaned(data_dir: Path) -> int:
    """Start a gateway's Redis, kill the gateway; the number of the server that is left."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    orphan = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    return orphan


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


async def test_data_are_there_after_a_restart_and_nothing_is_left_open(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    assert await ask(url, "SET", "a", "1") == b"OK"
    pid = redis.pid
    assert pid is not None
    await redis.stop()
    assert redis.pid is None
    assert not psutil.pid_exists(pid)
    assert not Path(url.removeprefix("unix://")).parent.exists()
    again = EmbeddedRedis(data_dir)
    assert await again.start() == url
    assert await ask(url, "GET", "a") == b"1"
    await again.stop()
    await again.stop()


async def test_only_its_user_can_open_it_and_nothing_listens_on_the_network(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    path = Path(url.removeprefix("unix://"))
    assert len(os.fsencode(path)) <= 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "redis").stat().st_mode) == 0o700
    assert redis.pid is not None
    process = psutil.Process(redis.pid)
    assert process.net_connections("inet") == []
    assert os.getsid(redis.pid) == redis.pid
    await redis.stop()


async def test_it_never_evicts_and_always_appends(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    for name, value in [
        ("maxmemory-policy", b"noeviction"),
        ("appendonly", b"yes"),
        ("appendfsync", b"everysec"),
        ("save", b""),
        ("aof-load-truncated", b"yes"),
        ("port", b"0"),
        ("protected-mode", b"yes"),
    ]:
        assert await ask(url, "CONFIG", "GET", name) == [name.encode(), value]
    await redis.stop()


async def test_the_data_directory_may_have_any_name(tmp_path: Path) -> None:
    data_dir = tmp_path / ('a "b" \\ ü ' + "long" * 40)
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    assert await ask(url, "SET", "a", "1") == b"OK"
    await redis.stop()
    assert list((data_dir / "redis").glob("appendonly*"))


async def test_a_second_gateway_on_the_same_data_is_refused_with_the_first_ones_number(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    with pytest.raises(
        AlreadyRunning, match=rf"another gateway \(process {os.getpid()}\) is running on .*data"
    ) as caught:
        await EmbeddedRedis(data_dir).start()
    assert caught.value.pid == os.getpid()
    assert await ask(url, "PING") == b"PONG"
    await redis.stop()


async def test_the_server_does_not_hold_the_gateways_lock(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    assert redis.pid is not None
    names = [os.readlink(fd) for fd in Path(f"/proc/{redis.pid}/fd").iterdir()]
    assert str(data_dir / "leuko.lock") not in names
    assert str(data_dir / "redis" / "server.lock") in names
    await redis.stop()


async def test_a_server_that_dies_is_started_again_with_its_data(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended: asyncio.Queue[int] = asyncio.Queue()
    redis = EmbeddedRedis(data_dir, on_exit=ended.put_nowait)
    url = await redis.start()
    await ask(url, "SET", "a", "1")
    for _ in range(2):
        first = redis.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            assert await ended.get() == -signal.SIGKILL
            while redis.pid in (None, first):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await ask(url, "GET", "a") == b"1"
                    break
                except Exception:
                    await asyncio.sleep(0.01)
    assert "starting it again" in caplog.text
    assert len(servers(data_dir)) == 1
    await redis.stop()


async def test_an_append_only_file_with_a_torn_tail_is_loaded_up_to_the_tear(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    await ask(url, "SET", "a", "1")
    await ask(url, "SET", "b", "2")
    await redis.stop()
    file = next(path for path in (data_dir / "redis").rglob("appendonly*.aof*") if b"SET" in path.read_bytes())
    file.write_bytes(file.read_bytes()[:-5])
    url = await redis.start()
    assert await ask(url, "MGET", "a", "b") == [b"1", None]
    await redis.stop()


@pytest.mark.parametrize("frozen", [False, True])
async def test_the_server_of_a_killed_gateway_is_ended_before_a_new_one_starts(data_dir: Path, frozen: bool) -> None:
    orphan = await orphaned(data_dir)
    assert servers(data_dir) == [orphan]
    if frozen:
        os.kill(orphan, signal.SIGSTOP)
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    await gone(orphan)
    assert servers(data_dir) == [redis.pid]
    assert await ask(url, "GET", "left") == b"behind"
    await redis.stop()


async def test_an_orphan_that_has_lost_its_files_is_still_found_and_ended(data_dir: Path) -> None:
    orphan = await orphaned(data_dir)
    Path((data_dir / "redis" / "socket").read_text()).unlink()
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    await gone(orphan)
    await redis.stop()


async def test_a_process_that_only_has_the_recorded_number_is_never_signalled(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir)
    await redis.start()
    await redis.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (data_dir / "redis" / "redis.pid").write_text(f"{stranger.pid}\n")
        await redis.start()
        assert stranger.poll() is None
        await redis.stop()
    finally:
        stranger.kill()
        stranger.wait()


async def test_data_held_by_something_unknown_are_not_touched(data_dir: Path) -> None:
    (data_dir / "redis").mkdir(parents=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER,
            str(data_dir / "redis" / "server.lock"),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        (data_dir / "redis" / "redis.pid").write_text("1\n")
        with pytest.raises(ServerFailed, match="still uses"):
            await EmbeddedRedis(data_dir, stop_timeout=0.2).start()
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


async def test_a_server_that_cannot_start_is_an_error_with_its_last_words(data_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\ncat >/dev/null\necho 'Fatal: no luck' >redis/redis.log 2>/dev/null\nexit 3\n")
    broken.chmod(0o700)
    redis = EmbeddedRedis(data_dir, server=broken)
    with pytest.raises(ServerFailed, match="status 3"):
        await redis.start()
    whole = EmbeddedRedis(data_dir)
    await whole.start()
    await whole.stop()


async def test_a_server_that_never_answers_is_an_error(data_dir: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o700)
    with pytest.raises(ServerFailed, match="does not answer"):
        await EmbeddedRedis(data_dir, server=silent, start_timeout=0.2).start()


async def test_a_server_that_fails_to_come_back_is_tried_again(
    data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moody = tmp_path / "moody"
    moody.write_text(f"#!/bin/sh\n[ -e '{tmp_path}/bad' ] && rm '{tmp_path}/bad' && exit 3\nexec {find_server()} -\n")
    moody.chmod(0o700)
    redis = EmbeddedRedis(data_dir, server=moody, backoff=0.01)
    url = await redis.start()
    await ask(url, "SET", "a", "1")
    first = redis.pid
    assert first is not None
    (tmp_path / "bad").touch()
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(10):
        while "did not start again" not in caplog.text or redis.pid in (None, first):
            await asyncio.sleep(0.01)
        while True:
            try:
                assert await ask(url, "GET", "a") == b"1"
                break
            except StoreUnavailable:
                await asyncio.sleep(0.01)
    await redis.stop()


async def test_an_orphan_that_does_not_end_is_killed(data_dir: Path) -> None:
    orphan = await orphaned(data_dir)
    socket_path = (data_dir / "redis" / "socket").read_text()
    _, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(b"EVAL 'while true do end' 0\r\n")  # busy for ever: it sees no SIGTERM
    await writer.drain()
    redis = EmbeddedRedis(data_dir, stop_timeout=0.3)
    url = await redis.start()
    await gone(orphan)
    assert await ask(url, "GET", "left") == b"behind"
    writer.close()
    await redis.stop()


async def test_a_server_that_does_not_end_is_killed(data_dir: Path) -> None:
    redis = EmbeddedRedis(data_dir, stop_timeout=0.2)
    await redis.start()
    assert redis.pid is not None
    pid = redis.pid
    os.kill(pid, signal.SIGSTOP)
    await redis.stop()
    assert not psutil.pid_exists(pid)


async def test_a_socket_directory_somebody_else_prepared_is_not_used(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    await redis.stop()
    taken = Path(url.removeprefix("unix://")).parent
    taken.symlink_to(tmp_path)
    try:
        again = await redis.start()
        assert again != url
        assert await ask(again, "PING") == b"PONG"
        await redis.stop()
        assert not (tmp_path / "redis.sock").exists()
    finally:
        taken.unlink()


async def test_the_runtime_directory_of_the_user_is_preferred(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Path("/tmp") / f"leuko-run-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    try:
        redis = EmbeddedRedis(data_dir)
        assert (await redis.start()).startswith(f"unix://{runtime}/leuko-")
        await redis.stop()
    finally:
        runtime.rmdir()


@pytest.mark.faults
async def test_two_hundred_killed_gateways_lose_nothing_that_was_synced(data_dir: Path) -> None:
    for n in range(200):
        owner = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OWNER, str(data_dir), stdout=asyncio.subprocess.PIPE
        )
        assert owner.stdout is not None
        if n % 2:
            await owner.stdout.readline()
        else:
            await asyncio.sleep(0.15 + (n % 20) / 100)
        owner.kill()
        await owner.wait()
        assert len(servers(data_dir)) <= 1
    redis = EmbeddedRedis(data_dir)
    url = await redis.start()
    assert await ask(url, "GET", "left") == b"behind"
    await redis.stop()
