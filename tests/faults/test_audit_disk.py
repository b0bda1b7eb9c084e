"""A disk that takes no more of the record: nothing is forwarded, probes say so, and it mends by itself."""

import resource
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import eventually, running_gateway


@pytest.mark.skipif(sys.platform != "linux", reason="takes prlimit, to set another process's limits")
def test_a_disk_that_takes_nothing_refuses_until_it_takes_again(tmp_path: Path) -> None:
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(tmp_path)}) as gateway:

        def code() -> str | None:
            ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
            answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, timeout=10).json()
            found: str | None = answer.get("error", {}).get("code")
            return found

        def readiness() -> object:
            return httpx.get(f"{gateway.url}/readyz", timeout=10).json()

        assert code() is None and readiness() == {"status": "ok"}
        soft, hard = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, hard))
        eventually(lambda: code() == "audit_unavailable")
        assert readiness() == {"status": "degraded", "missing": ["audit"]}
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (soft, hard))
        eventually(lambda: code() is None)
        assert readiness() == {"status": "ok"}
        assert gateway.admin("/audit/verify").json()["valid"] is True
