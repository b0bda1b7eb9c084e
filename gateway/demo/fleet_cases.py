"""What goes wrong in the story of a fleet, when, what makes it go away, and how each ends."""

from dataclasses import dataclass

from gateway.demo.chaos_faults import FAULTS, Fault

LONGEST = 45.0
"""Seconds after which any trouble passes, whatever was done about it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One agent's trouble. `at`: seconds after all agents were well. It ends when a remedy is in force that it does not
    resist, or by itself after `lasts` seconds.
    """

    fault: Fault
    at: float
    resists: frozenset[str] = frozenset()
    lasts: float | None = None

    def ends(self, remedies: frozenset[str], seconds: float) -> bool:
        """Args: the remedies in force for the agent; how long it is ill."""
        if self.lasts is not None:
            return seconds >= self.lasts
        return bool(remedies - self.resists) or seconds >= LONGEST


STORY = (
    Case(FAULTS["evasion"], 0.0),
    Case(FAULTS["token"], 3.0),
    # Every call that it makes is refused; nothing more is needed.
    Case(FAULTS["injection"], 6.0, lasts=10.0),
    # Asking less often does not mend a request that is wrong: the first remedy fails.
    Case(FAULTS["error"], 9.0, resists=frozenset({"throttle"})),
    Case(FAULTS["latency"], 12.0, lasts=12.0),
    # It is suspected and told, no more: who begins to use helpers has other prompts too.
    Case(FAULTS["prompt"], 15.0, lasts=8.0),
)
"""The fleet's agents fall ill in this order, the first one first; those left over stay well."""

OUTAGE = FAULTS["outage"]
"""Comes last, and over everybody."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one agent, for the table at the end."""

    agent: str
    fault: str
    found: str
    states: str
    diagnosis: str
    remedy: str
    outcome: str
