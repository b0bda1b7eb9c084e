"""Whatever is sent to the admin API, it answers as its description says: no failure of its own, no other shape."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import ADMIN_KEY, running_gateway
from tests.support.redis import RedisServer

ENDLESS = "/api/gateway/events"  # answers for ever
# What a schema cannot say is a 422 too: a time that is over, a cursor of another list. 412, 428: a version that is not
# the present one.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "412", "422", "428"]
"""
# It takes the 429 for the many wrong keys it sends as access; `test_openapi` has every path without and with each key.
NOT_JUDGED = "ignored_auth"


@pytest.mark.exhaustive
def test_no_request_makes_the_admin_api_fail_or_break_its_word(shared_redis: RedisServer, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "fuzz:", "GATEWAY_DATA_DIR": str(tmp_path)}
    with running_gateway("--stub", env=env) as gateway:
        ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
        httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers={"authorization": "Bearer sk-0123456789-1"})
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(configuration), "run"),
            *(f"{gateway.url}/api/gateway/openapi.json", "-H", f"X-Admin-Key: {ADMIN_KEY}", "--no-color"),
            *("--checks", "all", "--exclude-checks", NOT_JUDGED, "--exclude-path", ENDLESS),
            *("--max-examples", "8", "--seed", "1", "--generation-database", "none"),
        ]
        # Measuring it would double the time.
        env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=110, env=env)
        assert found.returncode == 0, found.stdout + found.stderr
        assert "Traceback" not in gateway.output
