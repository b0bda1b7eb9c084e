"""Runs the gateway under cProfile, or prints what such a run left: the six phases first, then the costliest functions.

python -m tests.bench.profiled OUT serve …
python -m tests.bench.profiled --print OUT
"""

import cProfile
import pstats
import sys

_PHASES = ("identify", "admit", "rewrite", "forward", "inspect", "settle")


def show(path: str) -> None:
    stats = pstats.Stats(path)
    print("phase      calls   cumulative µs/call")
    for (file, _, function), (_, calls, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        phase = next((p for p in _PHASES if file.endswith(f"phases/{p}.py")), None)
        if phase and function == "__call__":
            print(f"{phase:<10} {calls:<7} {cumulative / calls * 1e6:.1f}")
    stats.sort_stats("tottime").print_stats(30)


def main() -> None:
    if sys.argv[1] == "--print":
        show(sys.argv[2])
        return
    from gateway.cli import main as leuko

    out, sys.argv = sys.argv[1], ["leuko", *sys.argv[2:]]
    profile = cProfile.Profile()
    try:
        profile.runcall(leuko)
    finally:
        profile.dump_stats(out)


if __name__ == "__main__":
    main()
