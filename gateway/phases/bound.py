"""An intent as the policies see it while the calls of one turn are judged."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.intents.claims import IntentClaims, Step
from gateway.intents.steps import find
from gateway.store.intent_uses import Used

_MEANS = {
    "tool_not_in_intent": "no step of the intent is about this tool",
    "arguments_mismatch": "the arguments are not those of the intent's step",
    "step_order": "a step that has to come before was not used yet",
    "uses_exhausted": "the step was used as often as it may be",
    "revoked": "how often the intent was used is not known any more",
}
_NEAREST = tuple(_MEANS)


class Bound:
    """A `policy.question.Intent`. Calls that it has let fit count for those after them in the same turn.

    Args:
        used: what was used so far; None: that is not known any more, and nothing fits.
        executing: what was released before fits the step it was released under, whatever was used since.
    """

    def __init__(self, claims: IntentClaims, used: Used | None, *, executing: bool = False) -> None:
        self.root = claims.root
        self.tools: Collection[str] = tuple(dict.fromkeys(step.tool for step in claims.steps))
        self._steps = claims.steps
        self._used = used
        self._executing = executing
        self._taken: Counter[str] = Counter()

    def fit(
        self,
        tool: str,
        server: str | None,
        arguments: Any,
        holds: Callable[[str, Mapping[str, Mapping[str, Any]], Mapping[str, Any]], bool],
    ) -> tuple[str | None, str]:
        used = self._used
        if used is None:
            return None, _said("revoked")
        for step in self._steps if self._executing else ():
            # Judged when it was released, with all that was said before it; where, was not always said then.
            is_there = server is None or step.server in (None, server)
            if is_there and step.tool == tool and used.released.get(step.id, 0) > 0:
                return step.id, ""
        found = self._find(used, tool, server, arguments, holds)
        if isinstance(found, str):
            return None, _said(found)
        self._taken[found.id] += 1
        return found.id, ""

    def _find(
        self,
        used: Used,
        tool: str,
        server: str | None,
        arguments: Any,
        holds: Callable[[str, Mapping[str, Mapping[str, Any]], Mapping[str, Any]], bool],
    ) -> Step | str:
        """The first step that fits. What names no server may be meant for any: clients do not always write it."""
        problem = _NEAREST[0]
        for one in (server,) if server is not None else (None, *{step.server: None for step in self._steps}):
            found = find(
                self._steps,
                tool,
                one,
                arguments,
                lambda step, given: holds(step.id, step.constraints or {}, given),
                lambda id: used.counts.get(id, 0) + self._taken[id],
                lambda id: id in used.done,
            )
            if isinstance(found, Step):
                return found
            problem = max(problem, found, key=_NEAREST.index)
        return problem


def _said(word: str) -> str:
    return f"{word}: {_MEANS[word]}"
