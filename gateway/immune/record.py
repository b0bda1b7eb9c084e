"""All that the immune system keeps of one agent between two looks: what is usual of it, and where its case stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.immune import course as courses
from gateway.immune import memory as memories
from gateway.immune import state as states
from gateway.immune.course import Course
from gateway.immune.memory import Memory
from gateway.immune.plain_json import dumps, loads
from gateway.immune.state import Watched
from gateway.model.lifecycle import Life, Move, State
from gateway.model.value import value

_MOST_TOOLS = 64


@dataclass(frozen=True, slots=True)
class Good:
    """How the agent was while it was healthy: the hash of its prompt, its model, the tools it called."""

    prompt: str | None = None
    model: str | None = None
    tools: tuple[str, ...] = ()

    def having(self, prompt: str | None, model: str | None, tools: tuple[str, ...]) -> "Good":
        new = [name for name in tools if name not in self.tools]
        if not new and prompt in (None, self.prompt) and model in (None, self.model):
            return self
        kept = tuple(dict.fromkeys((*self.tools, *new)))[:_MOST_TOOLS]
        return Good(prompt or self.prompt, model or self.model, kept)


@value
class Summary:
    """What lists show. `since` in seconds since the epoch, `deviation` in σ of the latest exchange."""

    state: State
    since: float
    deviation: float
    throttled: bool = False


@dataclass(slots=True)
class Record:
    """One agent's.

    life: where it is in its lifecycle as long as it was never blocked; from then on the control state has the truth.
    seen: seconds since the epoch of its latest exchange.
    """

    agent_id: str
    life: Life
    state: Watched = field(default_factory=Watched)
    course: Course = field(default_factory=Course)
    memory: Memory = field(default_factory=Memory)
    good: Good = field(default_factory=Good)
    seen: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether something may have to be done though the agent does not call."""
        course = self.course
        return self.life.state not in ("INITIALIZING", "HEALTHY") or course.throttled or bool(course.waiting)

    @property
    def summary(self) -> Summary:
        return Summary(self.life.state, self.life.since, self.state.deviation, self.course.throttled)


def new_record(agent_id: str, now: float) -> Record:
    """Of an agent that nothing is known of. `now` in seconds since the epoch."""
    return Record(agent_id, Life(agent_id, since=now), seen=now)


def fields(record: Record) -> dict[str, bytes]:
    """As a store keeps it; each field can be read by itself."""
    return {
        "s": states.dump(record.state),
        "c": courses.dump(record.course),
        "l": dumps(record.life),
        "m": memories.dump(record.memory),
        "g": dumps([record.good, record.seen]),
        "t": dumps(record.summary),
    }


def record_of(agent_id: str, kept: Mapping[str, bytes]) -> Record | None:
    """What `fields` wrote; None if there is nothing, or it is of a version that this one does not read."""
    if "s" not in kept:
        return None
    try:
        life = loads(kept["l"])
        good, seen = loads(kept["g"])
        return Record(
            agent_id,
            Life(**{**life, "agent_id": agent_id, "history": tuple(Move(**move) for move in life["history"])}),
            states.load(kept["s"]),
            courses.load(kept["c"]),
            memories.load(kept["m"]),
            Good(**{**good, "tools": tuple(good["tools"])}),
            seen,
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def summary_of(kept: bytes) -> Summary:
    return Summary(**loads(kept))
