"""The guards, in the order in which they are asked: what lasts in every mode first, what costs most last."""

from collections.abc import Callable

from gateway.policy.rules import (
    arguments,
    blocked,
    denied,
    intents,
    loops,
    modes,
    offered,
    only,
    resources,
    secrets,
    sequence,
    sizes,
)
from gateway.policy.rules.call import Check
from gateway.policy.rules.ruleset import Ruleset

Guard = Callable[[Ruleset], Check | None]

GUARDS: tuple[tuple[str, Guard], ...] = (
    ("always_blocked", blocked.guard),
    ("resource", resources.guard),
    ("deny", denied.guard),
    ("only", only.guard),
    ("modes", modes.guard),
    ("sizes", sizes.guard),
    ("schema", offered.guard),
    ("arguments", arguments.guard),
    ("intent", intents.guard),
    ("secrets", secrets.guard),
    ("loops", loops.guard),
    ("sequence", sequence.guard),
)
"""With the name under which each stands in an explanation."""
