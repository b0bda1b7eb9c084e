"""The shell of the simulated cloud."""

import pytest

from gateway.demo.cloud_shell import run
from gateway.demo.cloud_state import Cloud, CloudError

LOG = "/sim/logs/api-gateway.log"


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo 'a b'  c", "a b c\n"),
        ("hostname", "ops-1\n"),
        ("hostname; date", "ops-1\n2026-11-21T18:00:00Z\n"),
        ("cat /etc/hostname && echo done", "ops-1\ndone\n"),
        ("ls /sim/logs", "api-gateway.log\ncache.log\ndatabase.log\nweb-server.log\n"),
        ("ls -la /etc/hostname", "/etc/hostname\n"),
        ("ls", "etc\nsim\n"),
        (f"grep ERROR {LOG} | wc -l", "2\n"),
        (f"grep -n WARN {LOG}", "3:2026-11-21T17:42:00Z api-gateway WARN pool exhausted\n"),
        (f"head -n 1 {LOG} | grep -c x", ""),
        (f"tail -1 {LOG}", "2026-11-21T17:43:00Z api-gateway ERROR 502 GET /orders\n"),
        (f"cat {LOG} | head -n2 | tail -n1 | wc", "1 6 56\n"),
        ("tail -n 0 /etc/hostname", ""),
        ("", ""),
        (" ; |", ""),
    ],
)
def test_a_command_prints(command: str, printed: str) -> None:
    assert run(Cloud(), command) == printed


@pytest.mark.parametrize(
    "command",
    ["nc 192.0.2.1 80", "cat /nowhere", "ls /nowhere", "rm /nowhere", "echo $HOME", "cat *", "a > b", "x &", "echo '"]
    + ["head -n x /etc/hostname", "head -n", "`x`", "$(x)", "echo a\nreboot", "echo " + 4096 * "x"],
)
def test_a_command_that_is_not_served_says_so(command: str) -> None:
    cloud = Cloud()
    with pytest.raises(CloudError):
        run(cloud, command)
    assert cloud == Cloud()


def test_files_are_gone_once_they_are_removed() -> None:
    cloud = Cloud()
    run(cloud, "rm -rf /sim/logs")
    assert not [path for path in cloud.files if path.startswith("/sim/logs")]
    assert "/sim/tickets/OPS-7.txt" in cloud.files
