"""How the process itself is doing: its time, memory, descriptors, and how late its event loop is."""

import asyncio
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.telemetry import names
from gateway.telemetry.instruments import Histogram, Instrument, Observed

_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_PROC = Path("/proc/self")


class Process:
    """Measures this process. `watch` has to run for the lag.

    Args:
        clock: monotonic seconds.
        tick: seconds between two measurements of the lag.
    """

    def __init__(self, clock: Callable[[], float], tick: float = 0.5) -> None:
        self._clock = clock
        self._tick = tick
        self._lag = Histogram(names.EVENT_LOOP_LAG, "s", "How late the event loop comes to what is due.", bounds=_LAGS)
        self._late = self._lag.child({})

    def instruments(self) -> Iterator[Instrument]:
        yield self._lag
        yield Observed(names.CPU_TIME, "counter", "s", "Processor time used.", lambda: [({}, sum(os.times()[:2]))])
        yield Observed(names.MEMORY_USAGE, "gauge", "By", "Resident memory.", lambda: [({}, float(resident_bytes()))])
        yield Observed(
            names.OPEN_FILES,
            "gauge",
            "{count}",
            "Open descriptors, connections among them.",
            lambda: [({}, float(open_descriptors()))],
        )

    async def watch(self) -> None:
        """Measure the lag until cancelled."""
        while True:
            before = self._clock()
            await asyncio.sleep(self._tick)
            self._late.record(max(0.0, self._clock() - before - self._tick))


def resident_bytes() -> int:
    """Resident memory now; where the system does not tell, the most it ever was."""
    try:
        return int((_PROC / "statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def open_descriptors() -> int:
    """How many descriptors are open; 0 where the system does not tell."""
    for where in (_PROC / "fd", Path("/dev/fd")):
        try:
            return len(os.listdir(where))
        except OSError:
            continue
    return 0
