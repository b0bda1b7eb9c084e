"""How soon hard evidence is told and acted on: `python -m tests.bench.finding_times`.

Two gateways over one Redis. An agent that did well goes round in circles at one of them; from the answer to that
request on, seconds until the admin API of the other shows the finding, and until the other refuses the agent.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.scenarios.test_healing import circles
from tests.scenarios.test_watch_replicas import Pair
from tests.support.redis import RedisServer

_ROUNDS = 10


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="leuko-") as directory:
        server = RedisServer(Path(directory))
        server.start()
        pair = Pair(server, Path(directory))
        try:
            told, blocked = zip(*(measured(pair, f"sk-times-{number}") for number in range(_ROUNDS)), strict=True)
        finally:
            pair.stop()
            server.stop()
    for name, times in (("finding at the admin API", told), ("block on the other replica", blocked)):
        print(f"{name}: median {statistics.median(times):.2f} s, longest {max(times):.2f} s of {_ROUNDS}")


def measured(pair: Pair, key: str) -> tuple[float, float]:
    """Seconds to the finding, and to the block."""
    agent_id = pair.works(key, 35)
    until(lambda: pair.state(agent_id) == "HEALTHY")
    assert pair.say(key, circles()).status_code == 403
    began = time.monotonic()
    told = until(lambda: bool(pair.get(f"/incidents?agent_id={agent_id}", at=1)["items"])) - began
    return told, until(lambda: pair.say(key, at=1).status_code == 403) - began


def until(holds: Callable[[], bool]) -> float:
    """When it came true."""
    while not holds():
        time.sleep(0.02)
    return time.monotonic()


if __name__ == "__main__":
    main()
