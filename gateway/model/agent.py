"""Who is calling."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as `identify` knows it.

    `credential` is a hint a person can recognise (`…a1b2`), never the credential itself.
    """

    agent_id: str
    verified: bool = False
    credential: str | None = None
    name: str | None = None
