"""What there is to act on, by agent: from files and settings alone, because who names a target can stop it."""

from collections.abc import Mapping

from gateway.enforcement.strategy import Resets, Restarts, Strategy
from gateway.model.value import value
from gateway.policy.globs import matches

AGENT_PREFIX = "agt_"


@value
class Means:
    """Those of one agent. `contain` in the order in which it is contained; it is released in the opposite one."""

    contain: tuple[Strategy, ...] = ()
    restart: Restarts | None = None
    control: Resets | None = None


class Targets:
    """Args:
    given: means by agent id, or by a pattern of names in which `*` stands for any text. The id counts before names,
        of several patterns the first.
    """

    def __init__(self, given: Mapping[str, Means]) -> None:
        self._by_id = {key: means for key, means in given.items() if key.startswith(AGENT_PREFIX)}
        self._by_name = {key: means for key, means in given.items() if not key.startswith(AGENT_PREFIX)}

    def __bool__(self) -> bool:
        return bool(self._by_id or self._by_name)

    @property
    def named(self) -> bool:
        """Whether names count at all."""
        return bool(self._by_name)

    def of(self, agent_id: str, name: str | None) -> Means | None:
        """`name`: as an operator gave it; what an agent only claims to be called must not stop another's process."""
        found = self._by_id.get(agent_id)
        if found is None and name is not None:
            found = next((means for pattern, means in self._by_name.items() if matches(pattern, name)), None)
        return found


NONE = Targets({})
