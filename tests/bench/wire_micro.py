"""CPU of reading bytes: `python -m tests.bench.wire_micro` prints microseconds, the least of many short rounds."""

import time
import timeit
from collections.abc import Callable

import orjson

from gateway.model.verdict import allow_all
from gateway.wire.chat_stream import ChatReader
from gateway.wire.interdiction import HoldBudget, Interdiction
from gateway.wire.sse import FrameSplitter, parse
from gateway.wire.strict_json import loads
from tests.support.chat_streams import chunk

ROUND = 300


def least(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=ROUND, repeat=300, timer=time.thread_time)) / ROUND * 1e6


def main() -> None:
    text, strip = chunk({"content": " hello there" * 3}), chunk({"content": " hello"}, usage=None)
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Where"}},
        "required": ["city"],
    }
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Says " * 20, "parameters": schema}}
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi " * 200}] * 2, "tools": [tool] * 2})
    splitter = FrameSplitter()
    machines = [Interdiction(ChatReader(), allow_all, budget=HoldBudget(), strip=mode) for mode in (False, True)]
    for warm in (splitter, *machines):
        warm.feed(text)
    print(f"frame of {len(text)} bytes: frame and parse {least(lambda: [parse(f) for f in splitter.feed(text)]):.2f}")
    print(f"  read, judge, pass {least(lambda: machines[0].feed(text)):.2f}")
    print(f"  the same, usage stripped {least(lambda: machines[1].feed(strip)):.2f}")
    print(f"body of {len(body)} bytes: orjson {least(lambda: orjson.loads(body)):.2f}")
    print(f"  strict {least(lambda: loads(body)):.2f}")


if __name__ == "__main__":
    main()
