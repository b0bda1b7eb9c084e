"""How long each step of an exchange may take, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Defaults suit reasoning models, which are silent for minutes; `whole` exceeds the SDKs' own 600 s.

    Attributes:
        connect: to reach a provider.
        first_byte: from the request sent to the answer's first byte.
        idle: between two chunks of a streamed answer.
        total: a streamed or relayed exchange.
        whole: an exchange whose answer is not streamed.
        drain_whole, drain_stream: how long a stopping gateway lets answers go on.
    """

    connect: float = 5
    first_byte: float = 600
    idle: float = 300
    total: float = 3600
    whole: float = 620
    drain_whole: float = 30
    drain_stream: float = 300
