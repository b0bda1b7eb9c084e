"""`make bench`: one table of ratios, measured side by side; `make profile`: where a request's time goes.

The proxy under test has core 0 to itself; the load and the provider share core 1. Figures of one row come from rounds
that alternate between the proxies, and the median is told: absolute times drift from machine to machine, ratios hold.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import sys
from pathlib import Path

import orjson

from tests.bench.processes import Bench, Proxy
from tests.bench.table import markdown

_RESULTS = Path(__file__).with_name("results.json")


def _rounds(bench: Bench, proxies: list[Proxy], rounds: int, **load: object) -> dict[str, dict[str, float]]:
    """Median figures of each proxy under the same load, in alternating rounds."""
    seen: dict[str, list[dict[str, float]]] = {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        bench.measure(proxy, **{**load, "seconds": 1.0})  # warm-up
    for _ in range(rounds):
        for proxy in proxies:
            figures = bench.measure(proxy, **load)
            if figures["bad"]:
                print(f"{proxy.name}: {figures['bad']} answers were refused: no figure to keep", file=sys.stderr)
            seen[proxy.name].append(figures)
    return {name: {k: statistics.median(f[k] for f in figures) for k in figures[0]} for name, figures in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("whole", "stream", "latency", "large", "intent", "mcp"), action="append")
    parser.add_argument("--profile", action="store_true", help="profile the gateway instead")
    given = parser.parse_args()
    with Bench() as bench:
        if given.profile:
            bench.profile(given.seconds)
            return
        all_on = bench.all_on()
        proxies = [bench.bare(), bench.leuko(), all_on]
        if importlib.util.find_spec("litellm") is not None:
            proxies.append(bench.litellm())
        loads: dict[str, dict[str, object]] = {
            "whole": {"connections": 32, "stream": False},
            "stream": {"connections": 50, "stream": True},
            "large": {"connections": 4, "stream": False, "size": 1_000_000},
            "intent": {"connections": 32},
            "mcp": {"connections": 1, "mcp": True},
            "latency": {"connections": 1, "stream": False},
            "first_event": {"connections": 1, "stream": True},
        }
        wanted = given.only or ["whole", "stream", "large", "intent", "mcp", "latency"]
        if "latency" in wanted:
            wanted = [*wanted, "first_event"]
        results: dict[str, dict[str, dict[str, float]]] = {}
        for name in wanted:
            those = [bench.direct(), *proxies] if name in ("latency", "first_event") else proxies
            if name == "intent":
                those = [all_on, bench.under_intent(all_on)]
            elif name == "mcp":
                those = [bench.direct(), all_on]
            results[name] = _rounds(bench, those, given.rounds, seconds=given.seconds, **loads[name])
            print(f"{name}: {orjson.dumps(results[name]).decode()}", file=sys.stderr)
    print(markdown(results))
    if given.only:  # a part of the table is no result to keep
        return
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.system()}
    _RESULTS.write_bytes(orjson.dumps({"machine": machine, "results": results}, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
