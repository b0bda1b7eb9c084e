"""How a simulated agent behaves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an agent differs from itself at its best. `output`, `input`, `latency` are times what is usual for it.

    system: what it takes for its instructions instead. status: what the provider answers, from 400 to 599. retries: how
    often its client says that it has tried already. loops: it makes one call again and again. calls: a tool that it
    calls instead of its own, `RISKY` for one.
    """

    output: float = 1.0
    input: float = 1.0
    latency: float = 1.0
    system: str | None = None
    status: int | None = None
    retries: int = 0
    loops: bool = False
    calls: str | None = None


WELL = Behaviour()
