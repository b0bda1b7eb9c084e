"""What the system says of processes, of real ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gateway.enforcement.seen_process import Seen, ancestors, from_ps, look, send


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_is_known_by_its_number_parent_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    seen = look(sleeper.pid)
    assert seen is not None
    assert seen.parent == os.getpid() and not seen.stopped and abs(seen.began - time.time()) < 20
    sleeper.send_signal(signal.SIGSTOP)
    os.waitpid(sleeper.pid, os.WUNTRACED)
    again = look(sleeper.pid)
    assert again is not None and again.stopped and again.started == seen.started


def test_one_that_has_ended_is_none_even_before_its_parent_looks(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert look(sleeper.pid) is None
    sleeper.wait()
    assert look(sleeper.pid) is None


def test_a_name_with_brackets_and_spaces_does_not_shift_the_fields() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has the name among the fields")
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) Z 1 (b'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = look(process.pid)
        assert seen is not None and seen.parent == os.getpid()
        process.kill()


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps")
def test_ps_says_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    seen, told = look(sleeper.pid), from_ps(sleeper.pid)
    assert seen is not None and told is not None
    assert (told.pid, told.parent) == (seen.pid, seen.parent) and abs(told.began - seen.began) < 3
    assert from_ps(2**22 + 1) is None


def test_the_ancestors_of_this_process_hold_its_parent_and_not_the_first_of_all() -> None:
    found = list(ancestors(os.getpid()))
    assert 1 not in found and (os.getppid() in found or os.getppid() == 1)


def test_a_signal_reaches_that_process_and_no_later_one_with_its_number(sleeper: subprocess.Popen[bytes]) -> None:
    seen = look(sleeper.pid)
    assert seen is not None
    other = Seen(seen.pid, seen.parent, seen.state, "not this one", seen.began)
    with pytest.raises(ProcessLookupError):
        send(other, signal.SIGKILL)
    assert sleeper.poll() is None
    send(seen, signal.SIGKILL)
    assert sleeper.wait(10) == -signal.SIGKILL
