"""Numbers that other parts of the gateway keep, exported under the names they have outside."""

from collections.abc import Callable, Iterator, Mapping

from gateway.telemetry.instruments import Instrument, Observed, Reading

Number = Callable[[], float]


class Losses:
    """Counts how often something was lost; listens to who knows."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, healthy: bool) -> None:
        self.count += not healthy


def redis(*, up: Callable[[], bool], losses: Number, pending: Number, dropped: Number) -> Iterator[Instrument]:
    """The store. `up`: whether it serves; `losses`: how often it stopped to; `pending`: agents whose numbers wait to be
    written; `dropped`: exchanges whose numbers were not kept."""
    yield _gauge("leuko.redis.up", "{boolean}", "Whether Redis serves: 1 or 0.", up)
    yield _counter("leuko.redis.losses", "{loss}", "How often Redis was lost.", losses)
    yield _gauge("leuko.vitals.pending", "{agent}", "Agents whose numbers wait to be written.", pending)
    yield _counter("leuko.vitals.dropped", "{exchange}", "Exchanges whose numbers could not be kept.", dropped)


def degraded(missing: Callable[[], list[str]], everything: tuple[str, ...]) -> Iterator[Instrument]:
    """What the gateway runs without, each of `everything` as 1 or 0."""

    def read() -> Reading:
        absent = missing()
        return [({"what": what}, float(what in absent)) for what in everything]

    yield Observed("leuko.degraded", "gauge", "{boolean}", "What the gateway runs without: 1 or 0.", read)


def states(agents: Callable[[], Mapping[str, int]], blocked: tuple[str, ...]) -> Iterator[Instrument]:
    """Agents that may not pass, by their state; all of `blocked` are shown, also at 0."""

    def read() -> Reading:
        found = agents()
        return [({"state": state}, float(found.get(state, 0))) for state in blocked]

    yield Observed("leuko.agents.blocked", "gauge", "{agent}", "Agents that may not pass, by state.", read)


def dropped_spans(dropped: Number) -> Iterator[Instrument]:
    """Spans that could not be handed over."""
    yield _counter("leuko.spans.dropped", "{span}", "Spans that were recorded and not exported.", dropped)


def build(version: str) -> Iterator[Instrument]:
    """Which version runs."""
    yield Observed(
        "leuko.build", "gauge", "{build}", "1, with the version as a label.", lambda: [({"version": version}, 1.0)]
    )


def _gauge(name: str, unit: str, description: str, read: Number) -> Observed:
    return Observed(name, "gauge", unit, description, lambda: [({}, float(read()))])


def _counter(name: str, unit: str, description: str, read: Number) -> Observed:
    return Observed(name, "counter", unit, description, lambda: [({}, float(read()))])
