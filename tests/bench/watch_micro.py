"""What it costs to watch agents: `python -m tests.bench.watch_micro`. Processor time of this process an exchange, with
a real Redis beside it: telling the feed, reading it, judging, saving. At most 40 µs.

Agents call in turn, as fast as they are taken; so batches are as large as they are under load.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from tests.background.watching import call, watching
from tests.support.redis import RedisServer

_AGENTS = 50


async def measured(exchanges: int) -> float:
    """µs an exchange."""
    server = RedisServer(Path(tempfile.mkdtemp(prefix="leuko-")))
    server.start()
    try:
        calls = [call(f"agt_{n % _AGENTS}", n // _AGENTS) for n in range(exchanges)]
        async with watching(server.url) as one:
            await asyncio.sleep(1.0)
            idle_from = time.process_time()
            await asyncio.sleep(1.0)
            idle = time.process_time() - idle_from
            started, began = time.monotonic(), time.process_time()
            for place, vitals in enumerate(calls):
                one.feed.vitals(vitals)
                if place % 200 == 199:
                    await asyncio.sleep(0.1)  # 2,000 exchanges a second
            await one.told()
            last = await one.feed.append("agt_0", {"do": "nothing"})
            await one.partitions.passed("agt_0", last, 60)
            return (time.process_time() - began - idle * (time.monotonic() - started)) / exchanges * 1e6
    finally:
        server.stop()
        shutil.rmtree(server.directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=10_000)
    given = parser.parse_args()
    print(f"{asyncio.run(measured(given.exchanges)):.1f} µs of processor time an exchange")


if __name__ == "__main__":
    main()
